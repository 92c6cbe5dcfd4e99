"""Fixtures of the training tests: a tiny prepared cache and one thread, so that runs can be compared bit by bit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from training_tiny import BeatingDisks

from harness.data.cache import prepare
from harness.data.prepared import PreparedCache


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PreparedCache:
    """The beating disks at 32 px."""
    folder = tmp_path_factory.mktemp("disks")
    dataset = BeatingDisks(folder, views=("4CH",))
    return prepare(dataset, image_size=32, cache_root=folder / "prepared", workers=0, progress=False)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors are faster on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
