"""Several processes of one command share one results store: nothing is trained twice, and nothing is destroyed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import joining

from harness.experiments import SuiteOptions, plan_suite
from harness.store.runs import RunStore

PATIENCE_S = 500
LONG = ("recipe.iterations=60", "recipe.val_interval=30", "recipe.checkpoint_interval=5", "recipe.log_interval=1")
pytestmark = pytest.mark.slow


Fork = Callable[..., BaseProcess]


class Joined:
    """One process of the suite, with its output."""

    def __init__(self, forked: Fork, options: str, store: Path, folder: Path, limit_s: float) -> None:
        self.answer, self.log = folder / "answer.json", folder / "log.txt"
        folder.mkdir(parents=True)
        arguments = (options, str(store), str(self.answer))
        self.process = forked(self.log, joining.main, *arguments, ECHOBENCH_LEASE_S=str(limit_s))

    def outcome(self) -> dict[str, Any]:
        """What it answered, once it has ended well."""
        self.process.join(PATIENCE_S)
        assert self.process.exitcode == 0, self.log.read_text()
        return json.loads(self.answer.read_text())


Start = Callable[..., Joined]


@pytest.fixture(scope="module")
def options(tiny: Callable[..., SuiteOptions]) -> str:
    """Options of a suite of two runs, as JSON; its data is prepared once."""
    chosen = tiny(*LONG, seeds=(0, 1))
    plan_suite(chosen, progress=False)
    return json.dumps(dataclasses.asdict(chosen), default=str)


@pytest.fixture(scope="module")
def undisturbed(options: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that one process alone leaves behind."""
    folder = tmp_path_factory.mktemp("alone")
    joining.main(options, str(folder / "store"), str(folder / "answer.json"))
    return folder / "store"


@pytest.fixture
def start(forked: Fork, options: str, tmp_path: Path) -> Start:
    """``start("name", limit_s=120)`` starts a process on the store ``tmp_path / "store"``; all are ended at the end."""
    started: list[Joined] = []

    def begin(name: str, limit_s: float = 120) -> Joined:
        started.append(Joined(forked, options, tmp_path / "store", tmp_path / name, limit_s))
        return started[-1]

    yield begin
    for joined in started:
        joined.process.kill()
        joined.process.join()


def half_way(store: Path, pid: int) -> Path:
    """The run that a process trains, once it has written several checkpoints and is far from its end."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for lease in store.glob("*/*/.claim/*.json"):
            run = lease.parent.parent
            content = lease.read_text()
            if content and json.loads(content)["pid"] == pid and (run / "checkpoints" / "previous.pth").is_file():
                return run
        time.sleep(0.02)
    return pytest.fail(f"process {pid} trains nothing")


def starts(run: Path) -> list[int]:
    """Iterations at which a training of a run began."""
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line["iteration"] for line in lines if line["kind"] == "start"]


def trained_iterations(run: Path) -> list[int]:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line["iteration"] for line in lines if line["kind"] == "train"]


def assert_as_undisturbed(store: Path, undisturbed: Path) -> None:
    """Rows byte-equal, weights bit-equal, no iteration logged twice."""
    runs, alone = RunStore(store).all(), RunStore(undisturbed).all()
    assert [run.name for run in runs] == [run.name for run in alone]
    for run, other in zip(runs, alone, strict=True):
        assert run.status == "finished"
        assert (run.path / "cases.csv").read_bytes() == (other.path / "cases.csv").read_bytes()
        for name in ("best.pth", "last.pth"):
            mine, theirs = (torch.load(item.path / "checkpoints" / name, weights_only=True) for item in (run, other))
            assert mine["model"].keys() == theirs["model"].keys()
            assert all(torch.equal(mine["model"][key], theirs["model"][key]) for key in mine["model"])
        assert trained_iterations(run.path) == trained_iterations(other.path)


def content_of(store: Path) -> dict[str, str]:
    """Hash of every file of a store.

    Left out is what belongs to one process alone, under a name that no other uses: event files of TensorBoard, and
    temporary files, which a process that may not commit them takes away.
    """
    files = (path for path in sorted(store.rglob("*")) if path.is_file() and path.suffix != ".tmp")
    files = (path for path in files if "tensorboard" not in path.parts)
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_two_processes_at_once_train_every_run_once_and_end_with_the_same_runs(start, undisturbed, tmp_path):
    outcomes = [joined.outcome() for joined in (start("a"), start("b"))]
    assert outcomes[0]["runs"] == outcomes[1]["runs"] == [run.name for run in RunStore(undisturbed).all()]
    assert [outcome["failed"] for outcome in outcomes] == [[], []]
    assert sum(outcome["executed"] for outcome in outcomes) == 2
    assert all(starts(run.path) == [0] for run in RunStore(tmp_path / "store").all())
    assert_as_undisturbed(tmp_path / "store", undisturbed)


def test_the_run_of_a_killed_process_is_taken_up_by_the_other_where_it_stood(start, undisturbed, tmp_path):
    victim, survivor = start("victim"), start("survivor")
    run = half_way(tmp_path / "store", victim.process.pid)
    os.kill(victim.process.pid, signal.SIGKILL)
    assert survivor.outcome()["failed"] == []
    resumed = starts(run)
    assert resumed[0] == 0
    assert len(resumed) == 2
    assert 0 < resumed[1] < 60
    assert_as_undisturbed(tmp_path / "store", undisturbed)


def test_a_process_that_was_stopped_past_the_limit_and_goes_on_writes_nothing(start, undisturbed, tmp_path):
    store, limit_s = tmp_path / "store", 4
    sleeper = start("sleeper", limit_s)
    run = half_way(store, sleeper.process.pid)
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    assert start("other", limit_s).outcome()["failed"] == []
    assert len(starts(run)) == 2
    before = content_of(store)
    os.kill(sleeper.process.pid, signal.SIGCONT)
    answer = sleeper.outcome()
    assert content_of(store) == before
    assert (answer["failed"], answer["executed"]) == ([], 1)
    assert "no longer holds" in sleeper.log.read_text()
    assert_as_undisturbed(store, undisturbed)
