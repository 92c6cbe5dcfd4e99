"""Searches: their budget, Ctrl-C, trials that stop early, stored studies that do not fit."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from harness.errors import ConfigError, TrainingError
from harness.experiments.study import search
from harness.experiments.study.job import resolve
from harness.experiments.study.running import run_study
from harness.experiments.study.search import bind
from harness.experiments.study.storage import open_storage, open_study

PRUNED = "pruner=dict(type='ThresholdPruner', lower=1.5)"


def trials(job):
    return optuna.load_study(study_name=job.name, storage=open_storage(job.storage)).get_trials()


def states(job):
    return [trial.state for trial in trials(job)]


@pytest.mark.parametrize("suffix", ["db", "journal"])
def test_a_search_keeps_to_its_budget_and_resumes(tiny_job, tmp_path, suffix):
    sampler = "sampler=dict(type='TPESampler', seed=3, n_startup_trials=2),"
    job = tiny_job(str(tmp_path / f"tiny.{suffix}"), kind="tpe", more=sampler)
    resolved = resolve(job, progress=False)
    run_study(job, resolved)
    assert states(job) == [TrialState.COMPLETE] * 4
    run_study(job, resolved)
    assert len(trials(job)) == 4
    assert len({trial.params["rate"] for trial in trials(job)}) == 4
    for trial in trials(job):
        record = resolved.store.get(trial.user_attrs["run"]).record
        assert trial.value == record["results"]["validation_dice"]


def test_ctrl_c_proposes_the_point_again_and_costs_no_budget(tiny_job, monkeypatch):
    job = tiny_job(kind="tpe", budget=2)
    resolved = resolve(job, progress=False)
    real = search.carry_out

    def interrupted(run, *arguments, **options):
        run.start()
        run.stop("interrupted", "stopped by Ctrl-C")
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "carry_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(job, resolved)
    assert states(job) == [TrialState.FAIL, TrialState.WAITING]
    monkeypatch.setattr(search, "carry_out", real)
    run_study(job, resolved)
    assert states(job) == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert trials(job)[0].params == trials(job)[1].params
    assert [run.status for run in resolved.store.all()] == ["finished", "finished"]


def test_a_failing_trial_stops_no_other_and_counts(tiny_job, monkeypatch):
    job = tiny_job(kind="tpe", budget=2)
    resolved = resolve(job, progress=False)

    def failing(run, *arguments, **options):
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr(search, "carry_out", failing)
    run_study(job, resolved)
    assert states(job) == [TrialState.FAIL, TrialState.FAIL]
    assert [trial.user_attrs["reason"] for trial in trials(job)] == ["the loss is not finite"] * 2


def test_a_pruned_training_stops_before_its_end_with_a_checkpoint(tiny_job):
    extra = ("recipe.iterations=400", "recipe.val_interval=2")
    job = tiny_job(kind="tpe", more=PRUNED, extra=extra, budget=1)
    resolved = resolve(job, progress=False)
    run_study(job, resolved)
    (trial,) = trials(job)
    assert trial.state == TrialState.PRUNED
    run = resolved.store.get(trial.user_attrs["run"])
    assert run.status == "interrupted"
    assert "pruner" in run.record["reason"]
    assert list(trial.intermediate_values) == [2]
    assert (run.path / "checkpoints" / "last.pth").is_file()


def test_a_stored_study_refuses_another_space(tiny_job):
    job = tiny_job(kind="tpe")
    resolved = resolve(job, progress=False)
    study = open_study(job.storage, open_storage(job.storage), job.name)
    bind(study, resolved.identity)
    bind(study, resolved.identity)
    with pytest.raises(ConfigError, match="--study-name"):
        bind(study, "something else")
