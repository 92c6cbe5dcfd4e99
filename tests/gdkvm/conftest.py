"""Golden recordings, read once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gdkvm_golden import Recording, load_recording


@pytest.fixture(scope="session")
def recordings(shared: Path) -> dict[str, Recording]:
    """Both recordings of the published code."""
    folder = shared / "golden"
    if not folder.is_dir():
        pytest.skip("no golden recordings in the shared folder")
    return {name: load_recording(folder, name) for name in "ab"}
