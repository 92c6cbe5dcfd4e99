"""A factorial study is a list of runs; Optuna's record of it is written afterwards."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from harness.errors import ConfigError, TrainingError
from harness.experiments import execute, identity
from harness.experiments.study import running
from harness.experiments.study.collect import collect, profile_cells
from harness.experiments.study.job import resolve
from harness.experiments.study.running import run_study, work_cells
from harness.experiments.study.storage import open_storage
from harness.experiments.study.trials import study_of
from harness.store.runs import ROW_COLUMNS


def statuses(resolved):
    return [resolved.run(cell, 0).status for cell in resolved.cells]


@pytest.mark.parametrize("suffix", ["db", "journal"])
def test_every_cell_is_trained_once_and_the_record_says_what_the_runs_say(tiny_job, tmp_path, suffix):
    job = tiny_job(str(tmp_path / f"tiny.{suffix}"))
    resolved = resolve(job, progress=False)
    run_study(job, resolved)
    assert statuses(resolved) == ["finished"] * 4
    for _ in range(2):  # a record that is there already is replaced
        study_of(resolved, job.name, job.storage)
    stored = optuna.load_study(study_name=job.name, storage=open_storage(job.storage)).get_trials()
    assert [trial.state for trial in stored] == [TrialState.COMPLETE] * 4
    for trial, cell in zip(stored, resolved.cells, strict=True):
        record = resolved.store.get(trial.user_attrs["run"]).record
        assert trial.params == cell.levels
        assert trial.value == record["results"]["validation_dice"]


def test_a_second_start_repeats_nothing_and_a_run_that_exists_is_not_trained_again(tiny_job, monkeypatch):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    plain = resolved.store.open(resolved.plan.specs[0])
    execute(plain, resolved.plan.cache, progress=False)
    assert work_cells(resolved, tell=lambda line: None).executed == 3
    monkeypatch.setattr(running, "carry_out", lambda *a, **k: pytest.fail("trained again"))
    assert work_cells(resolved, tell=lambda line: None).executed == 0


def test_more_seeds_are_trained_beside_what_is_done(tiny_job):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    work_cells(resolved, tell=lambda line: None)
    more = resolve(type(job).from_json(job.to_json().replace('"seeds": null', '"seeds": [0, 1]')), progress=False)
    assert work_cells(more, tell=lambda line: None).executed == 4


def test_ctrl_c_leaves_runs_that_the_next_start_takes_up(tiny_job, monkeypatch):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    real = running.carry_out

    def interrupted(run, *arguments, **options):
        run.start()
        run.stop("interrupted", "stopped by Ctrl-C")
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "carry_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(job, resolved)
    assert statuses(resolved) == ["interrupted", "new", "new", "new"]
    assert [trial.state for trial in study_of(resolved, "x").get_trials()] == [TrialState.WAITING] * 4
    monkeypatch.setattr(running, "carry_out", real)
    run_study(job, resolved)
    assert statuses(resolved) == ["finished"] * 4


def test_a_failing_run_stops_no_other_and_is_tried_again_only_when_asked(tiny_job, monkeypatch):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    calls = []

    def failing(run, *arguments, **options):
        calls.append(run.name)
        run.start()
        run.stop("failed", "the loss is not finite")
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr(running, "carry_out", failing)
    assert len(work_cells(resolved, tell=lambda line: None).failed) == 4
    assert len(calls) == 4
    assert len(work_cells(resolved, tell=lambda line: None).failed) == 4
    assert len(calls) == 4
    work_cells(resolved, tell=lambda line: None, retry_failed=True)
    assert len(calls) == 8
    (trial, *_) = study_of(resolved, "x").get_trials()
    assert (trial.state, trial.user_attrs["reason"]) == (TrialState.FAIL, "the loss is not finite")


def test_what_is_finished_is_trained_again_once_however_many_workers_ask(tiny_job, monkeypatch):
    """Two variants are finished and two are new: the finished ones get a next generation, and both kinds stay one run each."""
    job = tiny_job()
    resolved = resolve(job, progress=False)
    monkeypatch.setattr(running, "carry_out", finished_at_once)
    specs = resolved.trainings()
    monkeypatch.setattr(type(resolved), "trainings", lambda self: specs[:2])
    work_cells(resolved, tell=lambda line: None)
    monkeypatch.undo()
    monkeypatch.setattr(running, "carry_out", finished_at_once)
    again = resolve(replace(job, retrain=True), progress=False)
    assert [spec.generation for spec in again.trainings()] == [1, 1, 0, 0]
    assert work_cells(again, tell=lambda line: None).executed == 4
    worker = type(job).from_json(replace(job, retrain=True, generations=again.generations).to_json())
    assert work_cells(resolve(worker, progress=False), tell=lambda line: None).executed == 0
    assert [again.run(cell, 0).spec.generation for cell in again.cells] == [1, 1, 0, 0]
    assert resolve(job, progress=False).run(again.cells[0], 0).spec.generation == 1


def test_runs_of_other_code_are_taken_with_a_mark_and_not_measured(tiny_job, monkeypatch):
    job = tiny_job()
    old = resolve(job, progress=False)
    monkeypatch.setattr(running, "carry_out", finished_at_once)
    work_cells(old, tell=lambda line: None)
    before = [old.run(cell, 0).name for cell in old.cells]
    monkeypatch.setattr(identity, "code_hash", lambda roots: "0123456789")
    assert statuses(resolve(job, progress=False)) == ["new"] * 4
    taken = resolve(replace(job, accept_code=True), progress=False)
    assert [taken.run(cell, 0).name for cell in taken.cells] == before
    assert work_cells(taken, tell=lambda line: None).executed == 0
    assert profile_cells(taken) == []
    results = collect(taken, study_of(taken, "x"), name="x")
    assert results.mark == "other code: U-Net, seed 0, was made by code that has changed"


def test_a_search_is_not_trained_again(tiny_job):
    for option in ("retrain", "accept_code"):
        with pytest.raises(ConfigError, match="are for factorial studies"):
            resolve(replace(tiny_job(kind="tpe"), **{option: True}), progress=False)


def finished_at_once(run, *arguments, **options):
    """What stands for a training here: a run with a validation Dice, rows of none."""
    run.start()
    run.write_rows(pd.DataFrame(columns=list(ROW_COLUMNS)))
    run.finish(validation_dice=0.5)
