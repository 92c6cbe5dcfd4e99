"""A tiny trained run, once per test session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.data import PreparedCache
from harness.experiments import SuiteOptions, plan_suite
from harness.experiments.bench import run_suite
from harness.store.runs import Run

sys.path.insert(0, str(Path(__file__).parent))

TINY = (
    "generate.patients=(3, 1, 2)",
    "generate.pixel_mm=1.6",
    "recipe.image_size=32",
    "recipe.iterations=2",
    "recipe.val_interval=2",
    "recipe.checkpoint_interval=2",
    "recipe.clip_length=4",
    "recipe.test_clip_length=4",
    "recipe.batch_size=2",
    "recipe.precision=fp32",
    "models.unet.widths=(4, 8)",
)


@pytest.fixture(scope="session")
def finished(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, PreparedCache, Path]:
    """A finished run of a tiny U-Net, its data, and the folder of data that holds the prepared clips."""
    plan = plan_suite(SuiteOptions(models=("unet",), data_root=data_root, overrides=TINY), progress=False)
    plan.profile = None  # type: ignore[assignment]
    outcome = run_suite(plan, tmp_path_factory.mktemp("results"))
    assert outcome.failed == []
    return outcome.runs[0], plan.cache, data_root
