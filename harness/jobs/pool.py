"""One pool of worker processes for the whole house.

The workers are fresh interpreters (loky). They never import the script that started them, so a script without
``if __name__ == "__main__":`` and a notebook work; functions that a script defines itself travel by value.
docs/decisions/0006-worker-processes.md says why it is not multiprocessing's own pool.
"""

from __future__ import annotations

import importlib.machinery
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, TypeVar

import cloudpickle
from loky.process_executor import ProcessPoolExecutor
from threadpoolctl import ThreadpoolController

from harness.errors import BenchError
from harness.jobs.cores import cores, one_thread_each
from harness.jobs.ends import OutOfMemoryWatch, ending
from harness.jobs.progress import Progress

A = TypeVar("A")
R = TypeVar("R")

AHEAD = 4
"""Items in work or waiting per worker: enough that none idles, few enough that memory holds a handful of clips."""

MOST = 8
"""Workers that are started unless more are asked for: reading and measuring clips gains little beyond (disk, pickling)."""

_EXIT_CODES = re.compile(r"\((-?\d+)\)")


class Pool:
    """Worker processes with one thread each, which leave Ctrl-C to this process.

    Args:
        workers: number of processes, at least 1.
        work: what they do, for the sentence about one that dies: "the evaluation".
        setup: called once in each worker with ``arguments`` before its first item.

    Examples:
        >>> with Pool(1, work="the example") as pool:
        ...     pool.result(pool.submit(pow, 2, 10))
        1024
    """

    def __init__(
        self, workers: int, *, work: str, setup: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
    ) -> None:
        self.workers, self.work = workers, work
        self._memory = OutOfMemoryWatch()
        self._executor = ProcessPoolExecutor(
            # Before the worker loads its libraries: a thread count that is set later is too late for most of them.
            workers,
            initializer=_start,
            initargs=(setup, arguments),
            env=one_thread_each(),
        )
        self._pending: set[Future[Any]] = set()

    def submit(self, function: Callable[..., R], *arguments: Any) -> Future[R]:
        """Have a worker call ``function(*arguments)``; read the outcome with ``result``.

        Raises:
            BenchError: a worker has died.
        """
        try:
            future: Future[R] = self._executor.submit(function, *arguments)
        except BrokenProcessPool as error:
            raise self._death(error) from error
        self._pending.add(future)
        # Only what is still pending can be given up when the pool closes.
        future.add_done_callback(self._pending.discard)
        return future

    def result(self, future: Future[R]) -> R:
        """Wait for an outcome; an exception of the function is raised here.

        Raises:
            BenchError: a worker has died; the sentence names the signal, and memory only where the kernel says so.
        """
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise self._death(error) from error

    def close(self) -> None:
        """Give up what has not begun, wait for what has, end the workers."""
        for future in list(self._pending):
            future.cancel()
        self._executor.shutdown(wait=True)

    def _death(self, error: BaseException) -> BenchError:
        codes = [int(code) for code in _EXIT_CODES.findall(str(error)) if int(code)]
        if not codes:  # no worker died: its work could not be sent or read
            return BenchError(f"A worker process of {self.work} could not take its work: {_last_line(error)}.")
        out_of_memory = self._memory.happened()
        cure = "use fewer workers" if out_of_memory else "run the same command again, with --workers 1 if it recurs"
        return BenchError(f"A worker process of {self.work} {ending(codes[0], out_of_memory=out_of_memory)}; {cure}.")

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def map_ordered(
    function: Callable[[A], R],
    items: Sequence[A],
    *,
    workers: int | None = None,
    progress: bool = True,
    label: str = "working",
    worth: int = 1,
) -> Generator[R, None, None]:
    """Yield ``function(item)`` for every item, in order, computed at most a few items ahead.

    Args:
        function: any function; it is sent to each worker once, not with every item.
        items: what it is called with.
        workers: processes; None for one per core (at most eight), 0 or 1 for none beside this one.
        progress: show a bar, or a line every half minute where there is no terminal.
        label: what is being done.
        worth: with ``workers=None``, fewer items than this stay in this process: starting workers would take longer.

    Raises:
        BenchError: a worker process died.

    Examples:
        >>> list(map_ordered(abs, [-1, -2], workers=1, progress=False))
        [1, 2]
    """
    if workers is None:
        workers = min(cores(), MOST) if len(items) >= worth else 1
    # A worker without an item would cost seconds of imports for nothing.
    count = min(workers, len(items))
    results = (
        map(_with_one_blas_thread(function), items) if count <= 1 else _map_processes(function, items, count, label)
    )
    try:
        with Progress(label, len(items), shown=progress) as bar:
            for result in results:
                yield result
                bar.advance()
    finally:
        if isinstance(results, Generator):  # a caller that stops early must not leave workers behind
            results.close()


def _with_one_blas_thread(function: Callable[[A], R]) -> Callable[[A], R]:
    """As in a worker: a matrix product split over threads rounds differently, and a data set's bytes would follow the cores."""
    libraries = ThreadpoolController()

    def call(item: A) -> R:
        with libraries.limit(limits=1, user_api="blas"):
            return function(item)

    return call


def _map_processes(function: Callable[[A], R], items: Sequence[A], workers: int, label: str) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    with Pool(workers, work=f"'{label}'", setup=_remember, arguments=(function,)) as pool:
        for item in items:
            waiting.append(pool.submit(_call, item))
            # Read in order while others are computed: memory holds a few clips, however long the list is.
            if len(waiting) >= AHEAD * workers:
                yield pool.result(waiting.popleft())
        while waiting:
            yield pool.result(waiting.popleft())


def send_by_value(functions: Iterable[Callable[..., Any]]) -> None:
    """Let functions travel with their code where a worker could not import their module (one that was loaded by path)."""
    for name in {function.__module__ for function in functions}:
        # find_spec of importlib.util would be content with the module that is loaded here; a worker has only the path
        if name in sys.modules and importlib.machinery.PathFinder.find_spec(name.partition(".")[0]) is None:
            cloudpickle.register_pickle_by_value(sys.modules[name])


def _last_line(error: BaseException) -> str:
    """What a worker's traceback says at its end; loky hands it over as text."""
    lines = [line for line in str(error.__cause__ or error).splitlines() if line.strip(' "')]
    return lines[-1].rstrip(".") if lines else repr(error)


_function: Callable[[Any], Any] | None = None


def _start(setup: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of the terminal's group; only the one that was started by the user may answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if setup is not None:
        setup(*arguments)


def _remember(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function


def _call(item: Any) -> Any:
    assert _function is not None
    return _function(item)
