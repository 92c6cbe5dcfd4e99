"""Several processes of one command on this machine, which share its cores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from harness.jobs.cores import threads_each
from harness.jobs.devices import device_of
from harness.jobs.ends import OutOfMemoryWatch, ending

_PARENT = "ECHOBENCH_WORKER_OF"
_POLL_S = 0.2


def worker_command(*arguments: str) -> list[str]:
    """``echobench ARGUMENTS`` with the Python that runs now, wherever the console script may be."""
    return [sys.executable, "-m", "harness", *arguments]


def start_worker(
    command: Sequence[str], *, share: int = 1, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start one process; ``share`` such processes divide the cores that we may use (a set ``OMP_NUM_THREADS`` wins).

    It is no member of the terminal's foreground group: whoever started it decides when it is interrupted.

    Args:
        command: program and arguments, see ``worker_command``.
        share: processes that are started alike.
        environment: variables beside those of this process.
    """
    together = {**threads_each(share), **os.environ, **(environment or {}), _PARENT: str(os.getpid())}
    # A session of its own: Ctrl-C at the terminal would else reach the workers at any moment, not at a safe one.
    return subprocess.Popen(list(command), env=together, start_new_session=True)


def run_workers(
    command: Sequence[str],
    count: int,
    *,
    tell: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
    devices: Sequence[str] = (),
) -> list[int]:
    """Start the same command ``count`` times and wait for all of them; returns their exit codes.

    Each does what is free (the store decides that); one that dies is told, its work is taken up by the others.

    Args:
        command: program and arguments, see ``worker_command``.
        count: processes, which share the cores.
        tell: receives a sentence per worker that ended badly.
        environment: variables beside those of this process.
        devices: CUDA devices that they share (``visible_devices``): each process sees one of them, in turn.

    Raises:
        KeyboardInterrupt: Ctrl-C; it was passed on and every worker has stopped at a safe moment.
    """
    memory = OutOfMemoryWatch()
    seen = [{**(environment or {}), **device_of(number, devices)} for number in range(count)]
    processes = [start_worker(command, share=count, environment=variables) for variables in seen]
    try:
        _wait(processes, memory, tell)
    except KeyboardInterrupt:
        for process in processes:
            # One that has just ended may have handed its id on.
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait()
        raise
    return [process.returncode for process in processes]


def is_worker() -> bool:
    """Whether this process is one of several that the same command started."""
    return _PARENT in os.environ


def orphaned() -> bool:
    """Whether this process is such a worker and whoever started it is gone: finish what is in hand and end."""
    parent = os.environ.get(_PARENT)
    # A process whose parent is gone is given to another one by the kernel.
    return parent is not None and os.getppid() != int(parent)


def _wait(processes: Sequence[subprocess.Popen[bytes]], memory: OutOfMemoryWatch, tell: Callable[[str], None]) -> None:
    waiting = dict(enumerate(processes, 1))
    while waiting:
        for number, process in list(waiting.items()):
            if process.poll() is not None:
                del waiting[number]
                if process.returncode:
                    how = ending(process.returncode, out_of_memory=memory.happened())
                    tell(f"worker {number} of {len(processes)} {how}")
        time.sleep(_POLL_S)
