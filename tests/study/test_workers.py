"""Several worker processes on one study, one of them killed in the middle of a training."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from harness.experiments.study.job import StudyJob, resolve
from harness.experiments.study.storage import open_storage, storage_address
from harness.jobs import start_worker

sys.path.insert(0, str(Path(__file__).parent))
from postgres_server import binaries, server

LONG = ("recipe.iterations=40", "recipe.val_interval=40", "recipe.checkpoint_interval=5")
PATIENCE_S = 900


def two_workers(job: StudyJob, folder: Path) -> list[Any]:
    """Fresh interpreters, not forks: a fork would speak to a database server through the connection of this process."""
    file = folder / "job.json"
    file.write_text(job.to_json())
    command = [sys.executable, "-m", "harness.experiments.study", str(file)]
    return [start_worker(command, share=2), start_worker(command, share=2)]


def wait_for(what: str, answer: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = answer()
        if value:
            return value
        time.sleep(0.05)
    return pytest.fail(f"no {what} within {PATIENCE_S} s")


def half_way(store: Path, pids: list[int]) -> tuple[int, Path] | None:
    """Worker and run of a training that has written checkpoints and is not at its end."""
    for lease in store.glob("*/*/.claim/*.json"):
        run, text = lease.parent.parent, lease.read_text()
        if text and (run / "checkpoints" / "previous.pth").is_file():
            content = json.loads(text)
            if content["pid"] in pids and not content.get("released"):
                return content["pid"], run
    return None


def kill_half_way(job: StudyJob, workers: list[Any]) -> Path:
    """Kill a worker in the middle of its training and wait for the other's end; returns the run that it had in hand."""
    try:
        victim, run = wait_for("training half way", lambda: half_way(job.results_dir, [w.pid for w in workers]))
        os.kill(victim, signal.SIGKILL)
        (survivor,) = (process for process in workers if process.pid != victim)
        assert survivor.wait(PATIENCE_S) == 0
    finally:
        for process in workers:
            process.kill()
            process.wait()
    return run


def starts(run: Path) -> int:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return sum(line["kind"] == "start" for line in lines)


@pytest.mark.slow
def test_a_killed_worker_s_cell_is_taken_up_from_its_checkpoint_and_no_cell_is_done_twice(tiny_job, tmp_path):
    job: StudyJob = tiny_job(extra=LONG)
    resolved = resolve(job, progress=False)  # the data, once
    run = kill_half_way(job, two_workers(job, tmp_path))
    runs = [resolved.run(cell, 0) for cell in resolved.cells]
    assert [item.status for item in runs] == ["finished"] * 4
    assert {item.path: starts(item.path) for item in runs} == {item.path: 2 if item.path == run else 1 for item in runs}


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param != "postgresql":
        yield str(tmp_path / "two.db")
        return
    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL binaries (initdb, pg_ctl) on this machine")
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("no PostgreSQL driver: pip install psycopg2-binary")
    with server(folder) as url:
        yield url


def test_workers_that_come_at_the_same_moment_make_the_tables_once(storage: str, tmp_path: Path) -> None:
    where = storage_address(storage, tmp_path / "unused.db")
    together = threading.Barrier(6)

    def come() -> int:
        together.wait()
        return len(open_storage(where).get_all_studies())

    with ThreadPoolExecutor(6) as pool:
        assert [each.result() for each in [pool.submit(come) for _ in range(6)]] == [0] * 6


@pytest.mark.slow
def test_a_killed_worker_s_trial_of_a_search_is_proposed_again_and_resumes(tiny_job, storage, tmp_path):
    job: StudyJob = tiny_job(storage, kind="tpe", extra=LONG)
    job = StudyJob.from_json(job.to_json().replace('"grace_s": 120', '"grace_s": 6').replace('_s": 30', '_s": 2'))
    resolve(job, progress=False)
    run = kill_half_way(job, two_workers(job, tmp_path))
    trials = optuna.load_study(study_name=job.name, storage=open_storage(job.storage)).get_trials()
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert [trial.state for trial in trials if trial.state != TrialState.COMPLETE] == [TrialState.FAIL]
    assert len({trial.user_attrs["run"] for trial in complete}) == len(complete)
    assert 4 <= len(complete) <= 5  # two that ask at the same moment may both get the last trial
    assert starts(run) == 2
