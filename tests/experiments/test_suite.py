"""A suite runs to finished rows, repeats nothing, and one failure never stops the others."""

from __future__ import annotations

import importlib
import json

import pytest

from harness.errors import TrainingError
from harness.experiments import plan_suite
from harness.experiments.bench import run_suite
from harness.store.runs import ROW_COLUMNS, RunStore

execution = importlib.import_module("harness.experiments.execute")


def test_a_suite_leaves_rows_profile_and_record_and_is_not_repeated(tiny, tmp_path, monkeypatch):
    plan = plan_suite(tiny(), progress=False)
    outcome = run_suite(plan, tmp_path)
    (run,) = outcome.runs
    assert outcome.failed == []
    assert run.status == "finished"
    rows = run.rows()
    assert list(rows.columns) == list(ROW_COLUMNS)
    assert set(rows.run) == {run.name}
    dice = rows[(rows.metric == "dice") & (rows.structure == "lv")]
    assert len(dice) == 2 * 2 * 2  # patients, views, ED and ES
    assert set(rows.split) == {"test"}
    assert {"ef_biplane_predicted", "ef_biplane_reference", "ef_stated"} <= set(rows.metric)
    assert (run.path / "profile.csv").is_file()
    record = json.loads((run.path / "run.json").read_text())
    assert record["results"]["iterations"] == 2
    assert record["environment"]["packages"]["torch"]
    monkeypatch.setattr(execution.training, "train", None)  # a second training would fail
    again = run_suite(plan_suite(tiny(), progress=False), tmp_path)
    assert [item.status for item in again.runs] == ["finished"]
    assert again.failed == []


def test_a_failed_run_says_why_and_the_next_one_starts(tiny, tmp_path, monkeypatch):
    original = execution.training.train

    def broken_for_seed_0(job, cache, progress=True, hooks=()):
        if job.seed == 0:
            raise TrainingError("The loss of iteration 1 is NaN.")
        return original(job, cache, progress=progress)

    monkeypatch.setattr(execution.training, "train", broken_for_seed_0)
    plan = plan_suite(tiny(seeds=(0, 1)), progress=False)
    plan.profile = None
    outcome = run_suite(plan, tmp_path)
    assert outcome.failed == [outcome.runs[0].name]
    statuses = [run.status for run in RunStore(tmp_path).all()]
    assert sorted(statuses) == ["failed", "finished"]
    assert RunStore(tmp_path).get(outcome.failed[0]).record["reason"] == "The loss of iteration 1 is NaN."
    monkeypatch.setattr(execution.training, "train", original)
    assert run_suite(plan, tmp_path).failed == []


def test_an_unexpected_error_keeps_its_traceback(tiny, tmp_path, monkeypatch):
    def broken(job, cache, progress=True, hooks=()):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(execution.training, "train", broken)
    outcome = run_suite(plan_suite(tiny(), progress=False), tmp_path)
    run = RunStore(tmp_path).get(outcome.failed[0])
    assert "ZeroDivisionError: surprise" in run.record["reason"]
    assert "Traceback" in (run.path / "error.txt").read_text()


def test_ctrl_c_marks_the_run_as_interrupted_and_stops_the_suite(tiny, tmp_path, monkeypatch):
    def interrupted(job, cache, progress=True, hooks=()):
        raise KeyboardInterrupt

    monkeypatch.setattr(execution.training, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_suite(plan_suite(tiny(seeds=(0, 1)), progress=False), tmp_path)
    assert sorted(run.status for run in RunStore(tmp_path).all()) == ["interrupted", "new"]


def test_a_dry_run_trains_nothing(tiny, tmp_path):
    outcome = run_suite(plan_suite(tiny(), progress=False), tmp_path, dry_run=True)
    assert [run.status for run in outcome.runs] == ["new"]
    assert list(tmp_path.iterdir()) == []


def test_the_semi_supervised_protocol_scores_no_first_frame(tiny, tmp_path):
    plan = plan_suite(tiny(first_frame="gt"), progress=False)
    plan.profile = None
    (run,) = run_suite(plan, tmp_path).runs
    rows = run.rows()
    assert set(rows[rows.metric == "dice"].frame) != {0}
    assert 0 not in set(rows[rows.metric == "dice"].frame)
