"""Loader workers whose batches do not fit into shared memory are refused in a sentence instead of dying of a bus error."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from training_tiny import RECIPE

from harness.errors import ConfigError
from harness.training import Recipe
from harness.training.loaders import check_shared_memory

Usage = namedtuple("Usage", "total used free")


def test_a_container_s_64_mib_are_too_few_for_eight_workers_of_the_paper_s_batches(tmp_path: Path, monkeypatch) -> None:
    recipe = Recipe.from_dict(RECIPE | dict(batch_size=10, clip_length=10, image_size=256, workers=8))
    needed = 8 * 4 * 10 * 10 * 256 * 256 * 12
    for free, refused in ((64 * 2**20, True), (needed - 1, True), (needed, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, free=free: Usage(free, 0, free))
        if refused:
            with pytest.raises(ConfigError, match=r"8 loader workers need about 2400; .*--shm-size.*recipe\.workers=0"):
                check_shared_memory(recipe, tmp_path)
        else:
            check_shared_memory(recipe, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 0))
    check_shared_memory(Recipe.from_dict(RECIPE | dict(workers=0)), tmp_path)
    check_shared_memory(recipe, tmp_path / "absent")
