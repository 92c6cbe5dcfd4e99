"""A study is trained once, whatever happens to its workers."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from harness.experiments import execute
from harness.experiments.study.engine import run_study
from harness.experiments.study.job import resolve
from harness.experiments.study.storage import open_storage


def trials(job):
    study = optuna.load_study(study_name=job.name, storage=open_storage(job.place))
    return study.get_trials()


@pytest.mark.parametrize("suffix", ["db", "journal"])
def test_every_cell_is_trained_once_and_scored_on_validation(tiny_job, tmp_path, suffix):
    job = tiny_job(str(tmp_path / f"tiny.{suffix}"))
    resolved = resolve(job, progress=False)
    run_study(job, resolved)
    done = trials(job)
    assert [trial.state for trial in done] == [TrialState.COMPLETE] * 4
    assert len({trial.user_attrs["run"] for trial in done}) == 4
    for trial in done:
        record = resolved.store.get(trial.user_attrs["run"]).record
        assert record["status"] == "finished"
        assert trial.value == record["results"]["validation_dice"]


def test_a_second_start_repeats_nothing(tiny_job, monkeypatch):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    run_study(job, resolved)
    monkeypatch.setattr("harness.experiments.study.worker.carry_out", lambda *a, **k: pytest.fail("trained again"))
    run_study(job, resolved)
    assert len(trials(job)) == 4


def test_a_run_that_exists_is_not_trained_again(tiny_job, monkeypatch):
    job = tiny_job()
    resolved = resolve(job, progress=False)
    plain = resolved.store.open(resolved.plan.specs[0])
    execute(plain, resolved.plan.cache, progress=False)
    trained = []

    def remember(run, *arguments, **options):
        trained.append(run.name)
        execute(run, *arguments, **options)

    monkeypatch.setattr("harness.experiments.study.worker.carry_out", remember)
    run_study(job, resolved)
    assert plain.name not in trained
    assert len(trained) == 3
