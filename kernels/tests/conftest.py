"""Where echobench-kernels is not installed, one test says so in place of all others."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if importlib.util.find_spec("echobench_kernels") is None:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_installed.py"]


@pytest.fixture(autouse=True)
def _kernels_on_any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernels compute is tested also where they are not used because oneDNN is the faster one."""
    if importlib.util.find_spec("echobench_kernels") is not None:
        monkeypatch.setattr("echobench_kernels.native.worthwhile", lambda: True)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests run in parallel processes: one thread each is faster than all threads for everybody."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
