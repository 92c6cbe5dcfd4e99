"""Mapping a function over cases in worker processes, in order, with a progress bar that tells the time left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.errors import DataError

A = TypeVar("A")
R = TypeVar("R")
_AHEAD = 4


def default_workers() -> int:
    """Cores this process may use, at most eight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8)


def map_ordered(
    function: Callable[[A], R], items: Sequence[A], *, workers: int | None, progress: bool, label: str
) -> Generator[R, None, None]:
    """Yield ``function(item)`` for every item, in order, computed at most a few items ahead.

    ``workers`` None uses every core, 0 or 1 stays in this process. The first error of a worker is raised here;
    Ctrl-C stops the workers too.

    Raises:
        DataError: a worker process died (most often for want of memory).
    """
    count = min(default_workers() if workers is None else workers, len(items))
    results = map(function, items) if count <= 1 else _map_processes(function, items, count)
    with _bar(progress) as bar:
        task = bar.add_task(label, total=len(items))
        for result in results:
            yield result
            bar.advance(task)


def _map_processes(function: Callable[[A], R], items: Sequence[A], workers: int) -> Iterator[R]:
    # fork costs nothing and asks nothing of the caller's script; the workers never touch torch or CUDA
    method = "fork" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(function,))
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(_call, item))
            if len(pending) >= _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise DataError("A worker process died, probably for want of memory; use fewer workers.") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_job: Callable[[Any], Any] | None = None  # a worker gets its function once, not with every item


def _call(item: Any) -> Any:
    assert _job is not None
    return _job(item)


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _job
    _job = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)


def _bar(shown: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown)
