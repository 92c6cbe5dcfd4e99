"""Measuring clips in other processes, in order, while the model goes on predicting."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from types import TracebackType

from harness.evaluation.casework import CaseOutcome, CaseWork, measure
from harness.jobs import Pool, cores
from harness.jobs.pool import AHEAD, MOST, send_by_value

_WORTH_A_POOL = 64
"""Fewer clips than this are measured in this process: starting workers would take longer."""


def default_workers(clips: int) -> int:
    """Number of worker processes for a split of this many clips; 0 means none."""
    # One core is left to the model, which predicts meanwhile.
    return 0 if clips < _WORTH_A_POOL else max(1, min(MOST, cores() - 1))


class Measuring:
    """A queue of clips to measure; the outcomes come back in the order of submission.

    A producer that runs ahead waits, so that memory holds a few clips per worker at most.

    Args:
        workers: processes, each with one thread; 0 measures at once in this process.
    """

    def __init__(self, workers: int) -> None:
        self._pool = Pool(workers, work="the evaluation") if workers else None
        self._futures: list[Future[CaseOutcome]] = []

    def submit(self, work: CaseWork) -> None:
        """Measure one clip, now or soon.

        Raises:
            BenchError: a worker process died.
        """
        if self._pool is None:
            # The same type in both cases, so that outcomes() need not know.
            future: Future[CaseOutcome] = Future()
            future.set_result(measure(work))
        else:
            send_by_value(work.functions)
            ahead = AHEAD * self._pool.workers
            if len(self._futures) >= ahead:
                # Waits: a model on a GPU predicts faster than distances are measured, and masks would pile up.
                self._pool.result(self._futures[-ahead])
            future = self._pool.submit(measure, work)
        self._futures.append(future)

    def outcomes(self) -> Iterator[CaseOutcome]:
        """Every outcome, waiting for each in turn.

        Raises:
            BenchError: a worker process died.
        """
        for future in self._futures:
            yield future.result() if self._pool is None else self._pool.result(future)

    def __enter__(self) -> Measuring:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.close()
