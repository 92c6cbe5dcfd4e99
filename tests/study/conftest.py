"""A study of four tiny U-Nets that trains in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.experiments import SuiteOptions
from harness.experiments.study.job import StudyJob
from harness.experiments.study.storage import storage_address

TINY_STUDY = """
study = dict(
    kind="{kind}",
    model="unet",
    seeds=[0],
    factors=dict(
        width=dict(label="Width", levels={{"8": {{}}, "6": {{"models.unet.widths": (4, 6)}}}}),
        rate=dict(label="Rate", levels={{"high": {{}}, "low": {{"recipe.optimizer.lr": 1e-4}}}}),
    ),
    space=dict(rate=dict(sets="recipe.optimizer.lr", type="float", low=1e-4, high=1e-2, log=True)),
    budget=4,
    {more}
)
"""


@pytest.fixture
def tiny_job(data_root: Path, tiny_overrides: tuple[str, ...], tmp_path: Path) -> Callable[..., StudyJob]:
    """``tiny_job(storage=None, kind="grid", more="", extra=())``: a job on the tiny phantom, all files in tmp_path."""

    def make(
        storage: str | None = None, kind: str = "grid", more: str = "", extra: tuple[str, ...] = (), **job: Any
    ) -> StudyJob:
        config = tmp_path / "tiny_study.py"
        config.write_text(TINY_STUDY.format(kind=kind, more=more))
        options = SuiteOptions(data_root=data_root, overrides=(*tiny_overrides, *extra))
        return StudyJob(
            study=str(config),
            options=options,
            name="tiny",
            storage=storage_address(storage, tmp_path / "studies" / "tiny.db"),
            results_dir=tmp_path / "runs",
            **job,
        )

    return make
