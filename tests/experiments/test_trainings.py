"""One suite by several processes, one run of it alone, and within a limit of time."""

from __future__ import annotations

import json

import pytest

from harness.errors import ConfigError
from harness.experiments import limits, plan_suite
from harness.experiments.bench import run_suite
from harness.experiments.kept_pictures import keep_pictures
from harness.experiments.limits import REASON, TimeLimit
from harness.experiments.trainings import Trainings
from harness.experiments.worklist import tasks_of
from harness.store.runs import RunStore


@pytest.fixture
def plan(tiny):
    plan = plan_suite(tiny(seeds=(0, 1)), progress=False)
    plan.profile = None
    return plan


@pytest.mark.slow
def test_two_workers_train_every_run_once_and_a_failure_is_not_tried_twice(plan, tmp_path, capfd):
    broken = RunStore(tmp_path).open(plan.specs[1])
    (broken.path / "checkpoints").mkdir()
    (broken.path / "checkpoints" / "last.pth").write_bytes(b"damaged")
    outcome = run_suite(plan, tmp_path, keep=keep_pictures, workers=2)
    first, second = (run.record for run in RunStore(tmp_path).all())
    done, failed = (first, second) if first["status"] == "finished" else (second, first)
    assert done["attempts"] == 1
    assert failed["status"] == "failed"
    assert failed["attempts"] == 1, "the parent does not try again what failed in a worker"
    assert outcome.failed == [failed["name"]]
    assert outcome.executed == 0, "nothing is left for the parent"
    told = "".join(capfd.readouterr())
    assert told.count(": start (") == 2, "each run is told by whoever trains it, and by nobody else"
    assert "waits for" not in told
    assert (RunStore(tmp_path).root / done["name"] / "cases.csv").is_file()
    assert "baselines.unet" in done["code_roots"], "a worker that had imported no model yet left its code out"
    assert not any(run.other_code for run in RunStore(tmp_path).all())


def test_an_order_survives_its_way_to_another_process(plan, tmp_path):
    store = RunStore(tmp_path)
    order = Trainings(
        store=store, cache=plan.cache, tasks=tasks_of(store, plan.specs), keep=keep_pictures, limit=TimeLimit(5)
    )
    again = Trainings.from_json(order.to_json())
    assert [task.title for task in again.tasks] == [task.title for task in order.tasks]
    assert again.keep is keep_pictures
    assert again.cache.fingerprint == plan.cache.fingerprint
    assert again.left() == [task.run.name for task in order.tasks]
    assert 0 < again.limit.ends - order.limit.ends + 1 < 2
    assert json.loads(Trainings(store=store, cache=plan.cache, tasks=[]).to_json())["left_s"] is None


def test_one_run_of_the_list_is_trained_alone_and_nothing_measured(tiny, tmp_path):
    plan = plan_suite(tiny(seeds=(0, 1)), progress=False)
    outcome = run_suite(plan, tmp_path, only=2)
    assert [run.status for run in outcome.runs] == ["new", "finished"]
    assert outcome.measured == []
    with pytest.raises(ConfigError, match="--only is 3; the suite has the runs 1 to 2"):
        run_suite(plan, tmp_path, only=3)


def test_when_time_is_over_the_run_in_hand_is_saved_and_the_same_command_goes_on(plan, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: clock[0])
    after = TimeLimit.after_step

    def passing(self, runner):
        clock[0] += 61
        after(self, runner)

    with monkeypatch.context() as patched:
        patched.setattr(TimeLimit, "after_step", passing)
        outcome = run_suite(plan, tmp_path, minutes=1)
    first, second = outcome.runs
    assert (first.record["status"], first.record["reason"]) == ("interrupted", REASON)
    assert second.record["status"] == "new", "nothing more is begun"
    assert outcome.failed == []
    assert outcome.left == [first.name, second.name]
    assert run_suite(plan, tmp_path).left == []
    log = [json.loads(line) for line in (first.path / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in log if line["kind"] == "start"] == [0, 1], "it went on where it stopped"


def test_what_is_only_to_be_reported_is_not_trained(plan, tmp_path):
    outcome = run_suite(plan, tmp_path, train=False)
    assert [run.status for run in outcome.runs] == ["new", "new"]
    assert outcome.executed == 0
