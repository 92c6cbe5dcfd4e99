"""Ctrl-C, failing runs, searches that stop early, studies that do not fit their storage."""

from __future__ import annotations

import os
import platform

import optuna
import pytest
from optuna.trial import TrialState

from harness.errors import ConfigError, TrainingError
from harness.experiments.study import queue, worker
from harness.experiments.study.engine import run_study
from harness.experiments.study.job import StudyJob, resolve
from harness.experiments.study.storage import exclusive, open_storage, open_study
from harness.experiments.study.watch import validations

PRUNED = "pruner=dict(type='ThresholdPruner', lower=1.5)"


def states(job):
    study = optuna.load_study(study_name=job.name, storage=open_storage(job.place))
    return [trial.state for trial in study.get_trials()]


def test_ctrl_c_gives_the_trial_back_and_the_next_start_finishes(tiny_job, monkeypatch):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    real = worker.carry_out

    def interrupted(run, *arguments, **options):
        run.start()
        run.stop("interrupted", "stopped by Ctrl-C")
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "carry_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(job, resolved)
    assert states(job).count(TrialState.WAITING) == 4
    monkeypatch.setattr(worker, "carry_out", real)
    run_study(job, resolved)
    assert states(job).count(TrialState.COMPLETE) == 4
    assert all(resolved.done(cell, 0) for cell in resolved.cells)


def test_a_failing_run_stops_no_other_and_is_tried_again_only_when_asked(tiny_job, monkeypatch):
    job: StudyJob = tiny_job()
    resolved = resolve(job, progress=False)
    calls = []

    def failing(run, *arguments, **options):
        calls.append(run.name)
        run.stop("failed", "the loss is not finite")
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr(worker, "carry_out", failing)
    run_study(job, resolved)
    assert len(calls) == 4
    run_study(job, resolved)
    assert len(calls) == 4
    again = StudyJob.from_json(job.to_json().replace('"retry_failed": false', '"retry_failed": true'))
    run_study(again, resolved)
    assert len(calls) == 8


def test_a_search_keeps_to_its_budget_and_resumes(tiny_job):
    job = tiny_job(kind="tpe", more="sampler=dict(type='TPESampler', seed=3, n_startup_trials=2),")
    resolved = resolve(job, progress=False)
    run_study(job, resolved)
    assert states(job) == [TrialState.COMPLETE] * 4
    run_study(job, resolved)
    assert len(states(job)) == 4
    study = optuna.load_study(study_name=job.name, storage=open_storage(job.place))
    assert len({trial.params["rate"] for trial in study.get_trials()}) == 4


def test_a_pruned_training_stops_before_its_end_with_a_checkpoint(tiny_job):
    extra = ("recipe.iterations=400", "recipe.val_interval=2")
    job = tiny_job(kind="tpe", more=PRUNED, extra=extra, budget=1)
    resolved = resolve(job, progress=False)
    run_study(job, resolved)
    assert states(job) == [TrialState.PRUNED]
    study = optuna.load_study(study_name=job.name, storage=open_storage(job.place))
    (trial,) = study.get_trials()
    run = resolved.store.get(trial.user_attrs["run"])
    assert run.status == "interrupted"
    assert "pruner" in run.record["reason"]
    assert trial.intermediate_values
    assert max(trial.intermediate_values) < 400
    assert (run.path / "checkpoints" / "last.pth").is_file()


def test_a_stored_study_refuses_other_factors(tiny_job):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    study = open_study(job.place, open_storage(job.place), job.name)
    queue.bind(study, resolved.identity)
    queue.bind(study, resolved.identity)
    with pytest.raises(ConfigError, match="--study-name"):
        queue.bind(study, "something else")


def test_more_seeds_are_queued_beside_what_is_done(tiny_job):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    study = open_study(job.place, open_storage(job.place), job.name)
    options = {"done": lambda cell, seed: True}
    assert queue.enqueue(study, resolved.definition, resolved.cells, **options) == 4
    assert queue.enqueue(study, resolved.definition, resolved.cells, **options) == 0
    more = resolve(StudyJob.from_json(job.to_json().replace('"seeds": null', '"seeds": [0, 1]')), progress=False)
    assert more.identity == resolved.identity
    assert queue.enqueue(study, more.definition, more.cells, **options) == 4


def test_a_claimed_trial_is_nobody_elses(tiny_job):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    storage = open_storage(job.place)
    study = open_study(job.place, storage, job.name)
    queue.enqueue(study, resolved.definition, resolved.cells, done=lambda cell, seed: False)
    with exclusive(job.place, storage, job.name):
        claimed = [queue.claim(study, storage) for _ in range(5)]
    assert len({trial.number for trial in claimed[:4]}) == 4
    assert claimed[4] is None
    assert queue.take_up_lost(study, storage) == 0


@pytest.mark.parametrize(
    ("process", "gone"),
    [
        (None, True),
        ({"pid": os.getpid(), "host": platform.node()}, False),
        ({"pid": 2**22 + 1, "host": platform.node()}, True),
        ({"pid": 2**22 + 1, "host": "another-host"}, False),
    ],
)
def test_who_counts_as_gone(process, gone):
    assert queue.gone(process) is gone


def test_a_torn_log_line_is_no_validation(tmp_path):
    log = tmp_path / "log.jsonl"
    assert validations(log) == []
    log.write_text(
        '{"kind": "val", "iteration": 2, "score": 0.5}\n{"kind": "val", "iteration": 4, "score": null}\n{"ki'
    )
    assert validations(log) == [(2, 0.5)]
