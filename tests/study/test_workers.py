"""Two worker processes on one study, one of them killed in the middle of a training."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from harness.experiments.study.engine import start_worker
from harness.experiments.study.job import StudyJob, resolve
from harness.experiments.study.storage import open_storage, open_study

sys.path.insert(0, str(Path(__file__).parent))
from postgres_server import binaries, server

LONG = ("recipe.iterations=60", "recipe.val_interval=60")
PATIENCE_S = 900


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param != "postgresql":
        yield str(tmp_path / {"sqlite": "two.db", "journal": "two.journal"}[request.param])
        return
    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL binaries (initdb, pg_ctl) on this machine")
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("no PostgreSQL driver: pip install psycopg2-binary")
    with server(folder) as url:
        yield url


def wait_for(what, found):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    return pytest.fail(f"no {what} within {PATIENCE_S} s")


def half_way(study: optuna.Study, job: StudyJob) -> tuple[int, Path] | None:
    """Worker and run of a training that has written checkpoints and is not at its end."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        run = job.results_dir / trial.user_attrs.get("run", "none")
        if (run / "checkpoints" / "previous.pth").is_file():
            return trial.user_attrs["worker"]["pid"], run
    return None


@pytest.mark.slow
def test_a_killed_workers_trial_is_taken_up_from_its_checkpoint_and_no_cell_is_done_twice(tiny_job, storage, tmp_path):
    job: StudyJob = tiny_job(storage, extra=LONG)
    resolved = resolve(job, progress=False)  # the data, once
    study = open_study(job.place, open_storage(job.place), job.name)
    file = tmp_path / "job.json"
    file.write_text(job.to_json())
    workers = {process.pid: process for process in (start_worker(file, 2), start_worker(file, 2))}
    try:
        victim, run = wait_for("training half way", lambda: half_way(study, job))
        os.kill(victim, signal.SIGKILL)
        (survivor,) = (process for pid, process in workers.items() if pid != victim)
        assert survivor.wait(PATIENCE_S) == 0
    finally:
        for process in workers.values():
            process.kill()
            process.wait()

    trials = study.get_trials()
    complete = Counter(trial.user_attrs["cell"] for trial in trials if trial.state == TrialState.COMPLETE)
    assert complete == dict.fromkeys([cell.key for cell in resolved.cells], 1)
    assert [trial.state for trial in trials if trial.state != TrialState.COMPLETE] == [TrialState.FAIL]
    starts = [
        record["iteration"]
        for record in map(json.loads, (run / "log.jsonl").read_text().splitlines())
        if record["kind"] == "start"
    ]
    assert len(starts) == 2
    assert starts[0] == 0 < starts[1] < 60
    assert all(resolved.done(cell, 0) for cell in resolved.cells)
