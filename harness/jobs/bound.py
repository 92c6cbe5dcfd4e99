"""Processes that end when whoever started them ends, however that was: a kill leaves nobody measuring for nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

GONE = 129
"""Exit code of a process whose parent is gone: that of a hang-up, 128 + SIGHUP."""


def run_bound(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Python program of ours to its end, with its output as text; it calls ``end_with_parent`` at its start.

    Args:
        command: program and arguments.
        environment: all of its variables; None for those of this process.
        timeout_s: it is killed after this many seconds.

    Raises:
        subprocess.TimeoutExpired: that has happened.
    """
    # Nothing is ever written: the system closes our end when this process is gone, also after SIGKILL. (Linux alone
    # could send a signal at the parent's death, and it would do so at the end of the thread that has started the child.)
    theirs, ours = os.pipe()
    try:
        return subprocess.run(
            command, stdin=theirs, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment
        )
    finally:
        os.close(theirs)
        os.close(ours)


def end_with_parent() -> None:
    """End this process, whatever it does, as soon as the process that has called ``run_bound`` is gone."""
    threading.Thread(target=_watch, args=(sys.stdin.fileno(),), name="end with parent", daemon=True).start()


def _watch(descriptor: int) -> None:
    try:
        # The thread sleeps in the kernel until then: it takes no time from what is measured.
        while os.read(descriptor, 1):
            pass
    finally:
        # No clean-up: it would need the main thread, which may be in a kernel of many seconds.
        os._exit(GONE)
