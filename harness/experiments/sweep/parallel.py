"""Several runs swept at the same time, each in a process of its own with one thread."""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from harness.data import PreparedCache
from harness.experiments.sweep.sweep import SweepOptions, sweep_run
from harness.store.runs import Run


def sweep_in_parallel(
    jobs: Sequence[tuple[Run, Path]], options: SweepOptions, workers: int
) -> Iterator[tuple[Run, int]]:
    """Sweep each run on its prepared folder; yields runs with their number of conditions computed, as they finish.

    The first error ends the sweep; what is finished is kept.
    """
    method = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=mp.get_context(method)) as pool:
        futures = {pool.submit(_sweep, run, folder, options): run for run, folder in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _sweep(run: Run, folder: Path, options: SweepOptions) -> int:
    torch.set_num_threads(1)
    return sweep_run(run, PreparedCache.open(folder), options)
