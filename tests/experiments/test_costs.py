"""Costs are measured after the last training, and never while another process of the store trains on this machine."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import BenchError, ConfigError
from harness.experiments import costs, plan_suite
from harness.experiments.bench import run_suite
from harness.experiments.costs import FOLDER, alone, let_measuring_end, measure_costs, training_here
from harness.profiling import ProfileSettings
from harness.store import lease as leases
from harness.store.lease import Watch, acquire
from harness.store.process import this_process
from harness.store.runs import Run, RunStore


@pytest.fixture
def another() -> Iterator[subprocess.Popen]:
    """Another process of this machine, alive until the test ends it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def held_by(process: subprocess.Popen, folder: Path, monkeypatch: pytest.MonkeyPatch, host: str = "") -> None:
    """Let a process hold a folder, with the lease that it would have written itself."""
    from harness.store.process import _started

    content = {**this_process(), "pid": process.pid, "started": _started(process.pid)}
    with monkeypatch.context() as patched:
        patched.setattr(leases, "this_process", lambda: {**content, **({"host": host} if host else {})})
        acquire(folder, Watch())


@pytest.fixture
def runs(tiny, tmp_path) -> list[Run]:
    """Two new runs of a store."""
    store = RunStore(tmp_path)
    return [store.open(spec) for spec in plan_suite(tiny(seeds=(0, 1)), progress=False).specs]


def test_every_run_is_trained_before_the_first_is_measured(tiny, tmp_path, monkeypatch):
    seen = []

    def profile_run(run, settings):
        seen.append((run.name, sorted(other.status for other in RunStore(tmp_path).all()), settings["device"]))
        if run.spec.seed == 0:
            raise BenchError("Profiling UNet failed: no memory.")
        (run.path / "profile.csv").write_text("model\n")

    monkeypatch.setattr(costs, "profile_run", profile_run)
    plan = plan_suite(tiny(seeds=(0, 1)), progress=False)
    outcome = run_suite(plan, tmp_path)
    names = [run.name for run in outcome.runs]
    assert seen == [(name, ["finished", "finished"], "cpu") for name in names]
    assert (outcome.failed, outcome.measured) == ([], names[1:])
    assert run_suite(plan, tmp_path).executed == 0
    assert [name for name, *_ in seen[2:]] == names[:1], "what has no profile yet is measured by the next call"


def test_the_trainings_of_this_machine_are_let_go_to_their_end_first(runs, another, tmp_path, monkeypatch):
    held_by(another, runs[0].path, monkeypatch)
    store, told, waits = RunStore(tmp_path), [], []
    assert training_here(store) == [runs[0].name]

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            end(another)

    monkeypatch.setattr(costs.time, "sleep", sleep)
    with alone(store, told.append):
        assert len(waits) == 3
        assert training_here(store) == []
    assert told == [f"Costs are measured when {runs[0].name} of this machine has ended."]


def test_somebody_who_never_ends_is_not_waited_for_without_end(runs, another, tmp_path, monkeypatch):
    held_by(another, runs[0].path, monkeypatch)
    with alone(RunStore(tmp_path), lambda sentence: None, patience_s=0):
        assert training_here(RunStore(tmp_path)) == [runs[0].name]


def test_trainings_of_other_machines_disturb_nobody_here(runs, another, tmp_path, monkeypatch):
    held_by(another, runs[0].path, monkeypatch, host="far-away")
    assert training_here(RunStore(tmp_path)) == []


def test_no_training_begins_while_another_process_measures(another, tmp_path, monkeypatch):
    held_by(another, tmp_path / FOLDER, monkeypatch)
    told: list[str] = []
    monkeypatch.setattr(costs.time, "sleep", lambda seconds: end(another))
    let_measuring_end(RunStore(tmp_path), told.append)
    assert told == [
        f"The training begins when process {another.pid} on {this_process()['host']} has measured a model's cost."
    ]
    with alone(RunStore(tmp_path), told.append):
        let_measuring_end(RunStore(tmp_path), told.append)
    assert len(told) == 1, "whoever measures does not wait for itself"


def test_an_unfinished_run_has_no_cost(runs):
    assert measure_costs(runs, {}, tell=print) == []


def test_every_setting_of_a_profile_can_be_set(tiny):
    plan = plan_suite(tiny("profile.memory_lengths=(2,)", "profile.complexity=False"), progress=False)
    assert plan.profile == {
        "warmup": 1, "repeats": 1, "patience_s": 0, "engines": ("eager",), "memory_lengths": (2,), "complexity": False,
    }  # fmt: skip
    assert ProfileSettings(**plan.profile).memory_lengths == (2,)


class Killed(BaseException):
    """What a kill is to whoever is being killed: nothing more is done."""


def test_after_a_kill_while_measuring_nothing_but_the_measuring_is_repeated(tiny, tmp_path, monkeypatch):
    pictures = []

    def killed(run, settings):
        raise Killed

    def keep(run, predict, cache):
        pictures.append(run.name)

    def repeated(*_, **__):
        raise AssertionError("what was finished is done again")

    plan = plan_suite(tiny(), progress=False)
    monkeypatch.setattr(costs, "profile_run", killed)
    with pytest.raises(Killed):
        run_suite(plan, tmp_path, keep=keep)
    (run,) = RunStore(tmp_path).all()
    finished = {
        path: path.read_bytes() for name in ("run.json", "cases.csv", "best.pth") for path in run.path.rglob(name)
    }
    assert len(finished) == 3
    # By its name: the package has a function that is called like this module.
    execution = importlib.import_module("harness.experiments.execute")
    monkeypatch.setattr(execution.training, "train", repeated)
    for name in ("evaluate", "load_trained"):
        monkeypatch.setattr(execution, name, repeated)
    monkeypatch.setattr(costs, "profile_run", lambda run, settings: (run.path / "profile.csv").write_text("model\n"))
    outcome = run_suite(plan, tmp_path, keep=keep)
    assert (outcome.executed, outcome.measured, pictures) == (0, [run.name], [run.name])
    assert {path: path.read_bytes() for path in finished} == finished


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("profile.precision=fp8", "Unknown value 'fp8' in the profile's precision"),
        ("profile.image_size=64", "set recipe.image_size instead of profile.image_size"),
        ("profile.warm=1", "warm"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_trained(tiny, override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        plan_suite(tiny(override), progress=False)
