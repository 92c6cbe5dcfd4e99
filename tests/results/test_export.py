"""The exported part of a suite is small, complete and a results store of its own."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from harness.errors import BenchError
from harness.results.export import export
from harness.results.suite import suite_results
from harness.store.runs import ROW_COLUMNS, Run, RunSpec, RunStore


def finished_run(store: RunStore, seed: int) -> Run:
    spec = RunSpec(
        model={"name": "unet", "size": "small", "label": "U-Net", "build": {"type": "UNet"}},
        data={"dataset": "phantom", "mark": None},
        recipe={"iterations": 1},
        seed=seed,
        protocol={"first_frame": "auto", "structures": "lv"},
    )
    run = store.open(spec)
    row = dict.fromkeys(ROW_COLUMNS, "x") | {"seed": seed, "frame": 0, "value": 0.9, "split": "test"}
    run.write_rows(pd.DataFrame([row]))
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "best.pth").write_bytes(b"weights")
    (run.path / "pictures.npz").write_bytes(b"patients")
    run.record["code"] = {"commit": "a" * 40, "dirty": False, "version": "0"}
    run.finish()
    return run


def test_rows_and_records_travel_and_weights_and_pictures_stay(tmp_path):
    store = RunStore(tmp_path / "runs")
    results = suite_results([finished_run(store, 0), finished_run(store, 1)], name="s")
    written = export(results, tmp_path / "out")
    assert sorted({path.name for path in written}) == ["cases.csv.xz", "run.json"]
    assert not list((tmp_path / "out").rglob("*.pth")) + list((tmp_path / "out").rglob("*.npz"))
    copied = RunStore(tmp_path / "out").all()
    assert [run.status for run in copied] == ["finished", "finished"]
    assert copied[0].rows().equals(results.runs[0].rows)


def test_an_unfinished_suite_is_refused(tmp_path):
    store = RunStore(tmp_path / "runs")
    results = suite_results([finished_run(store, 0)], name="s")
    broken = dataclasses.replace(results.runs[0], status="failed")
    with pytest.raises(BenchError, match="only finished runs are exported"):
        export(dataclasses.replace(results, runs=(broken,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([{"commit": "a" * 40, "dirty": True}] * 2, "ran with uncommitted changes"),
        ([{"commit": "a" * 40, "dirty": False}, {"commit": "b" * 40, "dirty": False}], "come from 2 commits"),
        ([{"commit": None, "dirty": None}] * 2, "outside of a git checkout"),
        ([{}, {}], "outside of a git checkout"),
    ],
)
def test_runs_that_are_not_of_one_clean_commit_are_refused_unless_asked_for(tmp_path, codes, said):
    store = RunStore(tmp_path / "runs")
    results = suite_results([finished_run(store, 0), finished_run(store, 1)], name="s")
    runs = [dataclasses.replace(r, record=r.record | {"code": c}) for r, c in zip(results.runs, codes, strict=True)]
    mixed = dataclasses.replace(results, runs=tuple(runs))
    with pytest.raises(BenchError, match=said) as refused:
        export(mixed, tmp_path / "out")
    assert "--mixed" in str(refused.value)
    assert not (tmp_path / "out").exists()
    assert len(export(mixed, tmp_path / "out", mixed=True)) == 4


def test_an_export_is_the_same_bytes_twice_and_can_be_exported_again(tmp_path):
    store = RunStore(tmp_path / "runs")
    results = suite_results([finished_run(store, 0)], name="s")
    first = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in export(results, tmp_path / "a")}
    again = suite_results(RunStore(tmp_path / "a").all(), name="s")
    assert {path.relative_to(tmp_path / "b"): path.read_bytes() for path in export(again, tmp_path / "b")} == first
