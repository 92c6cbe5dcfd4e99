"""Golden recordings, read once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gdkvm_golden import Recording, load_recording

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


@pytest.fixture(scope="session")
def recordings() -> dict[str, Recording]:
    """Both recordings of the published code."""
    return {name: load_recording(GOLDEN, name) for name in "ab"}
