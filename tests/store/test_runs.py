"""The results store: identity, status, rows."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from harness.errors import BenchError
from harness.files import create_text, write_json
from harness.store.claim import hold
from harness.store.runs import ROW_COLUMNS, RunSpec, RunStore, environment


def spec(**changes) -> RunSpec:
    parts = {
        "model": {"name": "unet", "size": "small", "label": "U-Net", "build": {"type": "UNet", "widths": [8, 16]}},
        "data": {"dataset": "phantom", "views": ["4CH"], "clip": "half", "fingerprint": "abc"},
        "recipe": {"iterations": 3, "lr": 1e-3},
        "seed": 0,
        "protocol": {"first_frame": "auto", "structures": "lv"},
    }
    return RunSpec(**{**parts, **changes})


def row(**changes) -> dict:
    values = dict.fromkeys(ROW_COLUMNS, "x") | {"seed": 0, "frame": 0, "patient": "0012", "value": 0.1}
    return values | changes


def test_equal_specs_share_an_identity_and_any_change_makes_a_new_one():
    base = spec()
    assert base.identity == spec(recipe={"lr": 1e-3, "iterations": 3}).identity
    changed = [
        spec(seed=1),
        spec(recipe={"iterations": 4, "lr": 1e-3}),
        spec(protocol={"first_frame": "gt", "structures": "lv"}),
    ]
    assert len({base.identity, *(item.identity for item in changed)}) == 4


def test_a_run_is_opened_once_and_found_again(tmp_path):
    store = RunStore(tmp_path)
    run = store.open(spec())
    assert run.status == "new"
    run.start()
    run.finish(best_score=0.5)
    again = store.open(spec())
    assert again.status == "finished"
    assert again.record["results"] == {"best_score": 0.5}
    assert again.spec == spec()
    assert [item.name for item in store.all()] == [run.name]
    assert store.get(run.name).status == "finished"


def test_a_run_is_running_exactly_while_a_living_process_holds_it(tmp_path):
    run = RunStore(tmp_path).open(spec())
    with hold(run):
        run.start()
        assert RunStore(tmp_path).open(spec()).status == "running"
    assert RunStore(tmp_path).open(spec()).status == "interrupted"
    run.stop("failed", "loss is NaN")
    assert RunStore(tmp_path).open(spec()).status == "failed"
    assert RunStore(tmp_path).open(spec()).record["reason"] == "loss is NaN"


def test_a_run_whose_process_was_killed_is_interrupted(tmp_path):
    RunStore(tmp_path).open(spec())
    script = (
        "import os, signal, sys\nfrom harness.store.claim import hold\nfrom harness.store.runs import RunStore\n"
        "(run,) = RunStore(sys.argv[1]).all()\nhold(run).__enter__()\nrun.start()\nprint(run.status, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.stdout == "running\n"
    (run,) = RunStore(tmp_path).all()
    assert run.record["status"] == "running"
    assert run.status == "interrupted"


def test_a_record_is_created_once_and_never_replaced_by_a_new_one(tmp_path):
    run = RunStore(tmp_path).open(spec())
    assert create_text(run.path / "run.json", "{}") is False
    assert RunStore(tmp_path).open(spec()).record == run.record
    assert [path.name for path in run.path.iterdir()] == ["run.json"]


def test_rows_survive_with_ids_as_text_full_precision_and_missing_values(tmp_path):
    run = RunStore(tmp_path).open(spec())
    value = 1 / 3
    rows = pd.DataFrame([row(value=value), row(value=np.nan, phase="", frame=-1)])
    run.write_rows(rows)
    read = run.rows()
    assert list(read.columns) == list(ROW_COLUMNS)
    assert read.patient.tolist() == ["0012", "0012"]
    assert read.value[0] == value
    assert np.isnan(read.value[1])
    assert read.phase.tolist() == ["x", ""]


def test_rows_with_a_missing_or_unknown_column_are_refused(tmp_path):
    run = RunStore(tmp_path).open(spec())
    with pytest.raises(ValueError, match="rows must have the columns"):
        run.write_rows(pd.DataFrame([row()]).drop(columns="value"))
    assert not (run.path / "cases.csv").exists()


def test_asking_for_what_is_not_there_is_one_sentence(tmp_path):
    store = RunStore(tmp_path)
    with pytest.raises(BenchError, match="no run phantom/nothing"):
        store.get("phantom/nothing")
    with pytest.raises(BenchError, match=r"has no cases\.csv; finish it first \(status: new\)"):
        store.open(spec()).rows()


def test_a_run_is_found_by_its_folder_alone_where_that_is_unique(tmp_path):
    store = RunStore(tmp_path)
    run = store.open(spec())
    folder = run.name.rpartition("/")[2]
    assert store.get(folder).name == run.name
    write_json(tmp_path / "camus" / folder / "run.json", run.record)
    with pytest.raises(BenchError, match=rf"fits 2 runs in .*: camus/{folder}, phantom/{folder}; give one of these"):
        store.get(folder)
    with pytest.raises(BenchError, match=r"no run \*-s0-\*"):
        store.get("*-s0-*")


def test_the_environment_names_versions_and_processor():
    record = environment()
    assert record["packages"]["torch"].startswith("2.")
    assert record["processor"]
    assert record["cores"] >= 1
