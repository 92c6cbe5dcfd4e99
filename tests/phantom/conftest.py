"""One small phantom root that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.phantom import generate

COUNTS = (2, 1, 1)
PIXEL_MM = 0.8


@pytest.fixture(scope="session")
def phantom_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients at 0.8 mm, seed 3, generated in this process."""
    folder = tmp_path_factory.mktemp("phantom") / "root"
    return generate(folder, patients=COUNTS, seed=3, pixel_mm=PIXEL_MM, workers=1, progress=False)
