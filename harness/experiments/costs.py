"""When the cost of models is measured: after the last training, and beside no training of the same store on this machine.

A time that is taken while another process trains is a time of both. So whoever measures holds the store's profile lease;
trainings that are under way on this machine are let go to their end first, and none begins until the measuring is over.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from harness.errors import BenchError
from harness.experiments.execute import profile_run
from harness.store.claim import POLL_S, hold
from harness.store.formats.profile import PROFILE
from harness.store.lease import Holder, Lease, Watch, acquire, look
from harness.store.process import this_process
from harness.store.runs import Run, RunStore

FOLDER = ".profile"
"""Below the store's root: its lease is held by whoever measures."""
PATIENCE_S = 600.0
"""Longest wait for the trainings of others. Then the profile is taken all the same: it notices what disturbs it."""

Tell = Callable[[str], None]


def measure_costs(runs: Iterable[Run], settings: dict[str, Any], *, tell: Tell) -> list[str]:
    """Measure every finished run that has no profile yet, one after another.

    Args:
        runs: of one store.
        settings: arguments of ``profile_model``; the device is the one that each run was trained on.
        tell: receives a sentence where somebody is waited for, and where a model cannot be measured.

    Returns:
        Names of the runs that were measured.
    """
    measured = []
    for run in runs:
        run.read()
        if run.status != "finished" or _measured(run):
            continue
        with alone(run.store, tell), hold(run, finished_too=True, wait=True):
            if _measured(run):  # by another process, while this one waited
                continue
            try:
                profile_run(run, {"device": run.record["results"]["device"], **settings})
            except BenchError as error:
                tell(f"The cost of {run.name} stays empty: {error}")
                continue
        measured.append(run.name)
    return measured


@contextlib.contextmanager
def alone(store: RunStore, tell: Tell, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """The store's profile lease, once no other process of this machine trains a run of the store."""
    watch, told = Watch(), False
    # Waited for, not refused: two commands that end together both want their costs.
    while isinstance(lease := acquire(store.root / FOLDER, watch), Holder):
        time.sleep(POLL_S)
    assert isinstance(lease, Lease)
    with lease:
        until = time.monotonic() + patience_s
        while (busy := training_here(store)) and time.monotonic() < until:
            if not told:
                tell(
                    f"Costs are measured when {', '.join(busy)} of this machine {'has' if len(busy) == 1 else 'have'} ended."
                )
                told = True
            time.sleep(POLL_S)
        yield


def training_here(store: RunStore) -> list[str]:
    """Names of the unfinished runs of a store that another process of this machine works on."""
    # A look and no claim: asking for the lease of a run that trains would be a race for nothing.
    held = [(run, look(run.path)) for run in store.all() if run.record["status"] != "finished"]
    return [run.name for run, holder in held if holder is not None and _another_here(holder)]


def let_measuring_end(store: RunStore, tell: Tell) -> None:
    """Wait while another process of this machine measures costs; called before a run is claimed.

    (Whoever measures waits for the claimed ones: a wait after the claim would be a wait of two for each other.)
    """
    told = False
    while (holder := look(store.root / FOLDER)) is not None and _another_here(holder):
        if not told:
            tell(f"The training begins when {holder.by} has measured a model's cost.")
            told = True
        time.sleep(POLL_S)


def _another_here(holder: Holder) -> bool:
    return holder.host == this_process()["host"] and holder.pid != os.getpid()


def _measured(run: Run) -> bool:
    return (run.path / PROFILE.file).is_file()
