"""Other work on the machine: how much it kept a measurement waiting, and waiting until it is gone.

A timing beside other work is a timing of both. Load and clock say little (a model of one thread never fills a machine,
and a waiting thread may spin); the kernel counts, for every thread, how long it wanted a core and had none.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.jobs import cores

T = TypeVar("T")

BUSY_PERCENT = 5.0
"""A measurement whose threads waited longer than this share of their time for a core is marked."""
SAMPLE_S = 0.5
"""How long the machine is looked at to see how much of it is free."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """What the machine did during a measurement.

    Attributes:
        waited_percent: share of the time that the process's threads were ready to run and had no core; NaN where the kernel
            does not count it.
        cpu_per_wall: processor time per second of wall time; near the number of threads when nothing disturbs.
        load: processes that wanted a core, mean of the last minute (our own threads among them).
    """

    waited_percent: float
    cpu_per_wall: float
    load: float

    @property
    def busy(self) -> bool:
        """Whether other work took part in the measurement. Without the kernel's count the load must tell.

        >>> Disturbance(waited_percent=0.4, cpu_per_wall=1.9, load=2.1).busy
        False
        >>> Disturbance(waited_percent=37.0, cpu_per_wall=0.7, load=9.0).busy
        True
        """
        if math.isnan(self.waited_percent):
            return self.load > cores() + 1
        return self.waited_percent > BUSY_PERCENT

    def columns(self) -> dict[str, float | bool]:
        """As columns of a profile."""
        return {
            "busy": self.busy,
            "waited_percent": round(self.waited_percent, 2),
            "cpu_per_wall": round(self.cpu_per_wall, 3),
            "load": round(self.load, 2),
        }


class Watch:
    """Looks at this process from its making to ``seen``.

    Args:
        proc: the kernel's files; another folder in tests only.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before = _waited_ns(proc)
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def seen(self) -> Disturbance:
        """What happened since."""
        wall = max(time.perf_counter() - self._wall, 1e-9)
        cpu = time.process_time() - self._cpu
        waited = sum(max(0, now - self._before.get(thread, 0)) for thread, now in _waited_ns(self._proc).items()) / 1e9
        known = bool(self._before) and cpu + waited > 0
        return Disturbance(
            waited_percent=100 * waited / (cpu + waited) if known else math.nan,
            cpu_per_wall=cpu / wall,
            load=os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan,
        )


class Patience:
    """Seconds that a process may still spend on waiting for a quiet machine and on measuring again.

    Args:
        seconds: 0 never waits.
        threads: cores that a measurement needs.
        free: how many cores are free; ``free_cores`` but for tests.
    """

    def __init__(self, seconds: float, threads: int, free: Callable[[], float] | None = None) -> None:
        self.left_s, self.threads, self._free = seconds, min(threads, cores()), free or free_cores

    def wait(self) -> None:
        """Return when the machine has the cores to spare, or when patience is at its end."""
        while self.left_s > 0:
            began = time.monotonic()
            # A quarter of a core: timers and daemons are no neighbours.
            quiet = self._free() > self.threads - 0.25
            self.left_s -= time.monotonic() - began
            if quiet:
                return

    def undisturbed(self, measure: Callable[[], T]) -> tuple[T, Disturbance]:
        """Measure, again as long as other work disturbs and patience lasts; the least disturbed measurement."""
        best: tuple[T, Disturbance] | None = None
        while True:
            self.wait()
            began, watch = time.monotonic(), Watch()
            result = measure()
            seen = watch.seen()
            if best is None or seen.waited_percent < best[1].waited_percent:
                best = result, seen
            if best[1].busy:
                self.left_s -= time.monotonic() - began
            if not best[1].busy or self.left_s <= 0:
                return best


def free_cores(proc: Path = Path("/proc"), seconds: float = SAMPLE_S) -> float:
    """Cores that nobody used during a short look, this process asleep; infinite where the system does not say."""
    before = _idle_and_total(proc)
    time.sleep(seconds)
    after = _idle_and_total(proc)
    if before is None or after is None or after[1] <= before[1]:
        return math.inf
    share = (after[0] - before[0]) / (after[1] - before[1])
    return share * (os.cpu_count() or 1)


def _idle_and_total(proc: Path) -> tuple[int, int] | None:
    """Ticks of all cores together: idle or waiting for a disk, and all."""
    try:
        ticks = [int(word) for word in (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return ticks[3] + ticks[4], sum(ticks)


def _waited_ns(proc: Path) -> dict[str, int]:
    """Nanoseconds that each thread of this process has waited for a core; empty where the kernel does not count."""
    waited = {}
    try:
        for thread in (proc / "self/task").iterdir():
            # The second number is the time on a run queue (sched-stats.rst); a thread may end while we look.
            waited[thread.name] = int((thread / "schedstat").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return waited
