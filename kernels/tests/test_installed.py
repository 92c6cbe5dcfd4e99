"""The distribution announces its engine and is found by the harness."""

from __future__ import annotations

import importlib.util
from importlib.metadata import entry_points

import pytest

from harness.registry import list_engines

ABSENT = importlib.util.find_spec("echobench_kernels") is None


@pytest.mark.skipif(ABSENT, reason="echobench-kernels is not installed: `make setup` builds it where a C compiler is")
def test_the_engine_is_announced_and_listed() -> None:
    assert "native" in {point.name for point in entry_points(group="echobench.engines")}
    assert "native" in list_engines()
