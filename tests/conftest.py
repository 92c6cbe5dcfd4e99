"""Fixtures that several rooms use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden figures beside the checkout; tests that need it skip where it is absent."""
    path = Path(os.environ.get("ECHOBENCH_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"no folder {path.name} with real data beside the checkout")
    return path
