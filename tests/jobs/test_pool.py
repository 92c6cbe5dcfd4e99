"""The pool: order, Ctrl-C left to the parent, deaths named, one thread each."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness.errors import BenchError
from harness.jobs import Pool, cores, map_ordered, threads_each
from harness.jobs.ends import OutOfMemoryWatch, ending
from harness.jobs.pool import send_by_value


def test_results_come_back_in_the_order_of_the_items() -> None:
    waits = [0.2, 0.0, 0.1, 0.0]

    def wait(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    assert list(map_ordered(wait, waits, workers=2, progress=False)) == waits


def test_few_items_stay_in_this_process_unless_workers_are_asked_for() -> None:
    def process(_: int) -> int:
        return os.getpid()

    assert set(map_ordered(process, range(3), progress=False, worth=4)) == {os.getpid()}
    assert os.getpid() not in set(map_ordered(process, range(3), workers=2, progress=False, worth=4))


def test_products_of_matrices_have_the_same_bytes_in_this_process_and_in_workers() -> None:
    def product(seed: int) -> bytes:
        values = np.random.default_rng(seed).normal(size=(700, 700)).astype(np.float32)
        return (values @ values.T).tobytes()

    here = list(map_ordered(product, range(3), workers=1, progress=False))
    assert here == list(map_ordered(product, range(3), workers=2, progress=False))


def test_an_error_of_a_worker_is_raised_here_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_ordered(lambda number: 1 / number, [1, 0, 1], workers=2, progress=False))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGABRT"])
def test_the_signal_that_ended_a_worker_is_named_and_memory_is_not_suspected(name: str) -> None:
    number = signal.Signals[name]
    with pytest.raises(BenchError, match=rf"worker process of 'drawing' was ended by {name};") as caught:
        list(map_ordered(signal.raise_signal, [number] * 4, workers=2, progress=False, label="drawing"))
    assert "memory" not in str(caught.value)


def test_memory_is_named_where_the_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OutOfMemoryWatch, "happened", lambda self: True)
    with pytest.raises(BenchError, match="killed by the kernel because memory ran out; use fewer workers"):
        list(map_ordered(signal.raise_signal, [signal.SIGKILL] * 2, workers=2, progress=False))


def test_work_that_cannot_be_read_there_is_said_so() -> None:
    class Unreadable:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return int, ("no number",)

    with pytest.raises(BenchError, match=r"could not take its work: .*no number"), Pool(1, work="the test") as pool:
        pool.result(pool.submit(repr, Unreadable()))


def test_a_worker_computes_in_one_thread_and_ignores_ctrl_c() -> None:
    def threads() -> tuple[int, int]:
        import cv2
        import torch

        return torch.get_num_threads(), cv2.getNumThreads()

    with Pool(1, work="the test") as pool:
        assert pool.result(pool.submit(threads)) == (1, 1)
        assert pool.result(pool.submit(signal.getsignal, signal.SIGINT)) is signal.SIG_IGN


def test_functions_of_a_module_that_workers_cannot_import_are_sent_by_value(tmp_path: Path) -> None:
    (tmp_path / "metric_of_mine.py").write_text("def twice(number):\n    return 2 * number\n")
    spec = importlib.util.spec_from_file_location("metric_of_mine", tmp_path / "metric_of_mine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["metric_of_mine"] = module
    try:
        spec.loader.exec_module(module)
        send_by_value([module.twice])
        assert list(map_ordered(module.twice, [1, 2], workers=2, progress=False)) == [2, 4]
    finally:
        del sys.modules["metric_of_mine"]


def test_cores_are_those_that_the_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores() == 1
        assert threads_each(4)["OMP_NUM_THREADS"] == "1"
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (2, "ended with exit code 2"),
        (-9, "was ended by SIGKILL"),
        (-50, "was ended by signal 50"),
    ],
)
def test_endings_have_names(code: int, words: str) -> None:
    assert ending(code) == words


def test_a_crash_during_a_shortage_is_still_a_crash() -> None:
    assert ending(-signal.SIGSEGV, out_of_memory=True) == "was ended by SIGSEGV"
