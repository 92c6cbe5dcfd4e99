"""A tiny phantom suite that trains in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.experiments import SuiteOptions


@pytest.fixture(scope="session")
def tiny(data_root: Path, tiny_overrides: tuple[str, ...]) -> Callable[..., SuiteOptions]:
    """``tiny(models=("unet",), ...)``: options of a suite of one small U-Net on the tiny phantom."""

    def make(*more: str, **chosen: Any) -> SuiteOptions:
        values: dict[str, Any] = {"models": ("unet",), "data_root": data_root, "overrides": (*tiny_overrides, *more)}
        return SuiteOptions(**{**values, **chosen})

    return make
