"""Several worker processes on one study, one of them killed in the middle of a training."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from harness.experiments.study.__main__ import main as work_on
from harness.experiments.study.job import StudyJob, resolve
from harness.experiments.study.storage import open_storage
from harness.jobs import start_worker

sys.path.insert(0, str(Path(__file__).parent))
from postgres_server import binaries, server

LONG = ("recipe.iterations=40", "recipe.val_interval=40", "recipe.checkpoint_interval=5")
PATIENCE_S = 900


def written(job: StudyJob, folder: Path) -> str:
    file = folder / "job.json"
    file.write_text(job.to_json())
    return str(file)


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


def kill_half_way(job: StudyJob, workers: list[Any], code_of: Callable[[Any], int | None]) -> Path:
    """Kill a worker in the middle of its training and wait for the other's end; returns the run that it had in hand."""
    try:
        victim, run = wait_for("training half way", lambda: half_way(job.results_dir, [w.pid for w in workers]))
        os.kill(victim, signal.SIGKILL)
        (survivor,) = (process for process in workers if process.pid != victim)
        assert code_of(survivor) == 0
    finally:
        for process in workers:
            process.kill()
            code_of(process)
    return run


def ended(process: BaseProcess) -> int | None:
    """Its exit code, once it has ended."""
    process.join(PATIENCE_S)
    return process.exitcode


def starts(run: Path) -> int:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return sum(line["kind"] == "start" for line in lines)


@pytest.mark.slow
def test_a_killed_worker_s_cell_is_taken_up_from_its_checkpoint_and_no_cell_is_done_twice(tiny_job, tmp_path):
    job: StudyJob = tiny_job(extra=LONG)
    resolved = resolve(job, progress=False)  # the data, once
    command = [sys.executable, "-m", "harness.experiments.study", written(job, tmp_path)]
    workers = [start_worker(command, share=2) for _ in range(2)]
    run = kill_half_way(job, workers, lambda process: process.wait(PATIENCE_S))
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


@pytest.mark.slow
def test_a_killed_worker_s_trial_of_a_search_is_proposed_again_and_resumes(tiny_job, storage, tmp_path, forked):
    job: StudyJob = tiny_job(storage, kind="tpe", extra=LONG)
    job = StudyJob.from_json(job.to_json().replace('"grace_s": 120', '"grace_s": 6').replace('_s": 30', '_s": 2'))
    resolve(job, progress=False)
    file = written(job, tmp_path)
    run = kill_half_way(job, [forked(tmp_path / f"{k}.txt", work_on, file) for k in range(2)], ended)
    trials = optuna.load_study(study_name=job.name, storage=open_storage(job.storage)).get_trials()
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert [trial.state for trial in trials if trial.state != TrialState.COMPLETE] == [TrialState.FAIL]
    assert len({trial.user_attrs["run"] for trial in complete}) == len(complete)
    assert 4 <= len(complete) <= 5  # two that ask at the same moment may both get the last trial
    assert starts(run) == 2
