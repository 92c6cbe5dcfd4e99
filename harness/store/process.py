"""Which process is this, and does another one still run?"""

from __future__ import annotations

import datetime as dt
import functools
import os
import platform
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> dict[str, Any]:
    """``host``, ``boot`` (of the kernel), ``space`` (of process ids), ``pid`` and ``started`` (ticks since boot).

    ``boot``, ``space`` and ``started`` are None where the system does not tell them (no ``/proc``).
    """
    host, boot, space = _machine()
    return {"host": host, "boot": boot, "space": space, "pid": os.getpid(), "started": _started(os.getpid())}


def ended(process: dict[str, Any]) -> bool:
    """Whether a process described by ``this_process`` is known to have ended; False where that cannot be told.

    It can be told on the same machine, since the same boot, in the same space of process ids (two containers of one
    machine have the same boot but other processes under the same ids). A process id that was given out again has
    another start time; a killed process whose parent has not noticed yet (a zombie) has ended.
    """
    host, boot, space = _machine()
    # Another host's process ids mean nothing here, and after a reboot every old process is gone but its id may be in
    # use.
    if boot is None or (process.get("host"), process.get("boot"), process.get("space")) != (host, boot, space):
        return False
    started = _started(int(process["pid"]))
    return started is None or started != process["started"]


def now() -> str:
    """The time as ISO text, in UTC and seconds."""
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")


@functools.cache
def _machine() -> tuple[str, str | None, str | None]:
    try:
        # The name of the space of process ids tells two containers of one machine apart, which share host and boot.
        return platform.node(), _BOOT_ID.read_text().strip(), os.readlink("/proc/self/ns/pid")
    except OSError:
        return platform.node(), None, None


def _started(pid: int) -> int | None:
    """Start of a process in clock ticks since boot; None where it does not exist, is a zombie, or cannot be read."""
    try:
        # The name, in parentheses, may hold spaces: fields are counted after it (proc(5): state is 3, starttime 22).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
