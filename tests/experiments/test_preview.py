"""A plan costs seconds and makes nothing; a limit takes the first patients and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.experiments import plan_suite
from harness.experiments.preview import preview


def test_a_plan_generates_and_prepares_nothing(tiny, tmp_path: Path) -> None:
    found = preview(tiny(data_root=tmp_path, seeds=(0, 1)))
    assert found.lines[0] == "2 runs: U-Net; seeds 0, 1."
    assert found.lines[2] == "Data: phantom, to be generated and prepared; patients train 3, val 1, test 2."
    assert not found.prepared
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [None, 1])
def test_a_plan_of_prepared_data_counts_what_a_bench_would_take(tiny, limit) -> None:
    options = tiny(limit=limit)
    cache = plan_suite(options, progress=False).cache
    found = preview(options)
    assert found.prepared
    counts = {split: len(cache.split(split)) for split in ("train", "val", "test")}
    assert counts == ({"train": 2, "val": 2, "test": 2} if limit else {"train": 6, "val": 2, "test": 4})
    assert f"clips train {counts['train']}, val 2, test {counts['test']}." in found.lines[2]
    assert ("limited to 1 patient per split" in (cache.mark or "")) == (limit == 1)
