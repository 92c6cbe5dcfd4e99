"""Several processes of one command: shares of the cores, codes, Ctrl-C, a parent that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.jobs import cores, orphaned, run_workers, worker_command


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_workers_share_the_cores_and_their_codes_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    code = f"import os, pathlib; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).write_text(os.environ['OMP_NUM_THREADS'])"
    assert run_workers(python(code), 2, tell=print) == [0, 0]
    assert [path.read_text() for path in tmp_path.iterdir()] == [str(max(1, cores() // 2))] * 2


def test_a_worker_that_dies_is_told_with_its_signal() -> None:
    told: list[str] = []
    codes = run_workers(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), 1, tell=told.append)
    assert codes == [-signal.SIGKILL]
    assert told == ["worker 1 of 1 was ended by SIGKILL"]


def test_ctrl_c_reaches_every_worker_before_it_is_raised(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, time
mine = pathlib.Path({str(tmp_path)!r}, str(os.getpid()))
mine.touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    mine.write_text("stopped")
"""

    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_workers(python(code), 2, tell=print)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["stopped", "stopped"]


def test_a_worker_notices_that_its_starter_is_gone() -> None:
    assert not orphaned()
    asks = "from harness.jobs import orphaned; print(orphaned())"
    with_parent = {**os.environ, "ECHOBENCH_WORKER_OF": str(os.getpid())}
    without = {**os.environ, "ECHOBENCH_WORKER_OF": "1" if os.getpid() != 1 else "2"}
    for environment, answer in ((with_parent, "False"), (without, "True")):
        done = subprocess.run(python(asks), env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == answer


def test_the_command_of_a_worker_is_echobench_itself() -> None:
    done = subprocess.run(worker_command("--version"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("echobench, version")
