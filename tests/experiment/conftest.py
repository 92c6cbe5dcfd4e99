"""A tiny phantom suite that trains in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.experiment import SuiteOptions

TINY = (
    "generate.patients=(3, 1, 2)",
    "generate.pixel_mm=1.6",
    "recipe.image_size=32",
    "recipe.iterations=2",
    "recipe.val_interval=2",
    "recipe.checkpoint_interval=1",
    "recipe.clip_length=2",
    "recipe.test_clip_length=2",
    "recipe.batch_size=2",
    "recipe.precision=fp32",
    "models.unet.widths=(4, 8)",
    "profile.warmup=1",
    "profile.repeats=1",
)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One generated phantom for all tests of this room."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def tiny(data_root: Path) -> Callable[..., SuiteOptions]:
    """``tiny(models=("unet",), ...)``: options of a suite of one small U-Net on the tiny phantom."""

    def make(*more: str, **chosen: Any) -> SuiteOptions:
        values: dict[str, Any] = {"models": ("unet",), "data_root": data_root, "overrides": (*TINY, *more)}
        return SuiteOptions(**{**values, **chosen})

    return make
