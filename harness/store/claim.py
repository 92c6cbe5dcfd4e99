"""May this process work on that run? One question, one answer, for every verb."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import BenchError
from harness.store.lease import Holder, Lease, Watch, acquire

if TYPE_CHECKING:
    from harness.store.runs import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """The run is ours: work inside ``with held.lease:``."""

    lease: Lease


@dataclass(frozen=True, kw_only=True, slots=True)
class Busy:
    """Another process works on the run: who, since when."""

    holder: Holder


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The run is finished; nobody needs to work on it."""


Claim = Held | Busy | Done

POLL_S = 1.0
"""Seconds between two looks at a run that another process holds: one small file is read, and runs take minutes."""

_watch = Watch()


def claim(run: Run, *, watch: Watch | None = None, finished_too: bool = False) -> Claim:
    """Ask for a run, without waiting. The run's record is read again, so that it is as its last holder left it.

    Args:
        run: any run of a results store.
        watch: what this process remembers of others' leases; None takes the process's own.
        finished_too: also hold a finished run, to add to its folder (a sweep, a profile); never ``Done``.
    """
    run.read()
    if run.record["status"] == "finished" and not finished_too:
        return Done()
    # One watch for the process: whether a lease is stale shows only over several looks.
    lease = acquire(run.path, watch or _watch)
    if isinstance(lease, Holder):
        return Busy(holder=lease)
    # Between the first look and the lease another process may have finished it.
    run.read()
    if run.record["status"] == "finished" and not finished_too:
        lease.release()
        return Done()
    return Held(lease=lease)


def hold(run: Run, *, finished_too: bool = False, wait: bool = False) -> Lease:
    """The lease of a run; use it as a context: ``with hold(run): ...``.

    Args:
        run: any run of a results store.
        finished_too: see ``claim``.
        wait: wait for another process that works on the run.

    Raises:
        BenchError: another process works on it (without ``wait``), or it is finished.
    """
    while isinstance(answer := claim(run, finished_too=finished_too), Busy) and wait:
        time.sleep(POLL_S)
    if isinstance(answer, Done):
        # Rows, reports and hashes point to it: a table made yesterday must be the table of the same files tomorrow.
        raise BenchError(f"The run {run.name} is finished; a finished run is never changed.")
    if isinstance(answer, Busy):
        raise BenchError(
            f"The run {run.name} is being worked on by {answer.holder.by} since {answer.holder.since}; "
            "let it finish first."
        )
    return answer.lease
