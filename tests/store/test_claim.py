"""The question that every verb asks before it works on a run."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_runs import spec

from harness.errors import BenchError
from harness.store.claim import Busy, Done, Held, claim, hold
from harness.store.lease import LeaseLostError, Watch, acquire
from harness.store.runs import RunStore


def test_a_run_is_held_busy_or_done(tmp_path):
    run, other = RunStore(tmp_path).open(spec()), RunStore(tmp_path).open(spec())
    answer = claim(run)
    assert isinstance(answer, Held)
    with answer.lease:
        run.start()
        busy = claim(other)
        assert isinstance(busy, Busy)
        assert busy.holder.by.startswith("process ")
        with pytest.raises(BenchError, match=r"is being worked on by process \d+ on .*; let it finish first"):
            hold(other)
        run.finish()
    assert claim(other) == Done()
    assert other.status == "finished"  # claiming reads the record that the holder left
    with pytest.raises(BenchError, match="never changed"):
        hold(other)


def test_a_finished_run_can_be_held_to_add_to_it(tmp_path):
    run = RunStore(tmp_path).open(spec())
    run.finish()
    with hold(run, finished_too=True):
        assert isinstance(claim(run, finished_too=True), Busy)
        assert run.status == "finished"


def test_waiting_ends_when_the_holder_gives_back(tmp_path):
    run = RunStore(tmp_path).open(spec())
    first = hold(run)
    first.__enter__()
    threading.Timer(0.5, first.__exit__, (None, None, None)).start()
    began = time.monotonic()
    with hold(run, wait=True):
        assert time.monotonic() - began >= 0.5


def test_the_record_of_a_lost_run_is_refused(tmp_path):
    run = RunStore(tmp_path).open(spec())
    with hold(run) as lease:
        run.start()
        lease.release()
        taken = acquire(run.path, Watch())
        with pytest.raises(LeaseLostError):
            run.finish(best_score=1.0)
        with pytest.raises(LeaseLostError):
            run.stop("failed", "a late word")
        taken.check()
    assert RunStore(tmp_path).open(spec()).record["status"] == "running"
