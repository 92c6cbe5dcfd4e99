"""Several runs swept at the same time, each in a process of its own with one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from harness.data import PreparedCache
from harness.experiments.sweep.sweep import SweepOptions, sweep_run
from harness.jobs import Pool, visible_devices
from harness.modules import grant, granted
from harness.store.runs import Run


def sweep_in_parallel(
    jobs: Sequence[tuple[Run, Path]], options: SweepOptions, workers: int
) -> Iterator[tuple[Run, int]]:
    """Sweep each run on its prepared folder; yields runs with their number of conditions computed, as they finish.

    The first error ends the sweep; what is finished is kept.

    Raises:
        BenchError: a process was killed, or a run cannot be swept.
    """
    devices = [f"cuda:{number}" for number in range(len(visible_devices()))]
    with Pool(min(workers, len(jobs)), work="the sweep") as pool:
        # By run: each worker loads one model once, and all conditions of a run share its sectors.
        futures = {
            # Run by run in turn: a worker of the pool has no number of its own.
            pool.submit(
                _sweep, run, folder, options, granted(), devices[number % len(devices)] if devices else None
            ): run
            for number, (run, folder) in enumerate(jobs)
        }
        for future in as_completed(futures):
            yield futures[future], pool.result(future)


def _sweep(
    run: Run, folder: Path, options: SweepOptions, trust: tuple[frozenset[str], bool], device: str | None
) -> int:
    grant(trust)
    return sweep_run(run, PreparedCache.open(folder), options, device=device)
