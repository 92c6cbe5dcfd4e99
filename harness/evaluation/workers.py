"""Measuring clips in other processes, in order, while the model goes on predicting."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from harness.errors import BenchError
from harness.evaluation.casework import CaseOutcome, CaseWork, measure

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_KILLED = "A worker process of the evaluation was killed (out of memory?); use fewer workers."
_WORTH_A_POOL = 64
"""Fewer clips than this are measured in this process: starting workers would take longer."""


def default_workers(clips: int) -> int:
    """Number of worker processes for a split of this many clips; 0 means none."""
    return 0 if clips < _WORTH_A_POOL else max(1, min(8, (os.cpu_count() or 1) - 1))


class Measuring:
    """A queue of clips to measure; the outcomes come back in the order of submission.

    A producer that runs ahead waits, so that memory holds a few clips per worker at most.

    Args:
        workers: processes, each with one thread; 0 measures at once in this process.
    """

    def __init__(self, workers: int) -> None:
        self._pool = _start(workers) if workers else None
        self._ahead = 4 * workers
        self._futures: list[Future[CaseOutcome]] = []

    def submit(self, work: CaseWork) -> None:
        """Measure one clip, now or soon."""
        if self._pool is None:
            future: Future[CaseOutcome] = Future()
            future.set_result(measure(work))
        else:
            if len(self._futures) >= self._ahead:
                self._wait(self._futures[-self._ahead])
            future = self._submit(self._pool, work)
        self._futures.append(future)

    def outcomes(self) -> Iterator[CaseOutcome]:
        """Every outcome, waiting for each in turn.

        Raises:
            BenchError: a worker process was killed.
        """
        return map(self._wait, self._futures)

    def _wait(self, future: Future[CaseOutcome]) -> CaseOutcome:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise BenchError(_KILLED) from error

    def _submit(self, pool: ProcessPoolExecutor, work: CaseWork) -> Future[CaseOutcome]:
        try:
            return pool.submit(measure, work)
        except BrokenProcessPool as error:
            raise BenchError(_KILLED) from error

    def __enter__(self) -> Measuring:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=kind is not None)


def _start(workers: int) -> ProcessPoolExecutor:
    method = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(workers, mp_context=mp.get_context(method))
    with _one_thread_each():
        for _ in range(workers):
            pool.submit(os.getpid)
    return pool


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Children that start inside inherit one thread per numerical library."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
