"""A process that another one has started ends with it, also when that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.jobs.bound import run_bound

CHILD = """
import sys, time
from harness.jobs.bound import end_with_parent
end_with_parent()
print(sys.argv[1], file=sys.stderr)
open(sys.argv[2], "w").write(str(__import__("os").getpid()))
time.sleep(float(sys.argv[3]))
print("done")
"""
PARENT = """
import sys
from harness.jobs.bound import run_bound
run_bound([sys.executable, "-c", *sys.argv[1:]])
"""


def written(path: Path) -> str:
    """The content of a file, once there is one."""
    while not (path.is_file() and path.read_text()):
        time.sleep(0.01)
    return path.read_text()


def alive(pid: int) -> bool:
    try:
        # A process that nobody has waited for yet is dead all the same.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_when_its_parent_is_killed(end: signal.Signals, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PARENT, CHILD, "", str(tmp_path / "pid"), "60"]
    parent = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    try:
        child = int(written(tmp_path / "pid"))
        assert alive(child)
        os.kill(parent.pid, end)
        parent.wait()
        until = time.monotonic() + 20
        while alive(child) and time.monotonic() < until:
            time.sleep(0.01)
        assert not alive(child)
    finally:
        parent.kill()


def test_it_works_to_its_end_beside_a_living_parent_whichever_thread_has_started_it(tmp_path: Path) -> None:
    ends = []
    command = [sys.executable, "-c", CHILD, "a word", str(tmp_path / "pid"), "0.2"]
    thread = threading.Thread(target=lambda: ends.append(run_bound(command)))
    thread.start()
    thread.join()
    (end,) = ends
    assert (end.returncode, end.stdout, end.stderr) == (0, "done\n", "a word\n")


def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_bound([sys.executable, "-c", CHILD, "", str(tmp_path / "pid"), "60"], timeout_s=0.1)
