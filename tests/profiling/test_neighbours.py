"""Other work on the machine is noticed by what it does to us, waited for within limits, and marks what it disturbed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from tiny_segmenters import TinyConv

from harness.profiling import neighbours
from harness.profiling.latency import latency_rows, summarise
from harness.profiling.neighbours import Disturbance, Patience, Watch, free_cores
from harness.profiling.settings import ProfileSettings


def proc(folder: Path, threads: dict[str, int] | None = None, stat: str = "cpu 1 1 1 1 1 1 1 1") -> Path:
    """The kernel's files as it writes them: nanoseconds that each thread waited, and ticks of all cores."""
    (folder / "stat").write_text(f"{stat}\ncpu0 0 0 0 0 0 0 0 0\n")
    for name, waited in (threads or {}).items():
        (folder / "self/task" / name).mkdir(parents=True, exist_ok=True)
        (folder / "self/task" / name / "schedstat").write_text(f"5000 {waited} 7\n")
    return folder


def test_what_threads_waited_for_a_core_is_counted_new_threads_included(tmp_path, monkeypatch):
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(neighbours.time, "process_time", lambda: next(clock))
    watch = Watch(proc(tmp_path, {"1": 10**9, "2": 4 * 10**9}))
    proc(tmp_path, {"1": 15 * 10**8, "2": 4 * 10**9, "3": 5 * 10**8})
    seen = watch.seen()
    assert seen.waited_percent == pytest.approx(25.0), "one second of waiting beside three of computing"
    assert seen.busy


def test_without_the_kernel_s_count_the_load_decides(monkeypatch, tmp_path):
    monkeypatch.setattr(neighbours, "cores", lambda: 4)
    monkeypatch.setattr(neighbours.os, "getloadavg", lambda: (9.0, 0.0, 0.0))
    seen = Watch(tmp_path).seen()
    assert math.isnan(seen.waited_percent)
    assert seen.busy
    assert not Disturbance(waited_percent=math.nan, cpu_per_wall=3.9, load=4.2).busy


def test_free_cores_are_those_that_nobody_used_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours.os, "cpu_count", lambda: 4)
    proc(tmp_path, stat="cpu 100 50 0 800 50 0 0 0")
    monkeypatch.setattr(neighbours.time, "sleep", lambda seconds: proc(tmp_path, stat="cpu 160 70 0 830 60 0 0 0"))
    assert free_cores(tmp_path) == pytest.approx(4 * 40 / 120)
    assert free_cores(tmp_path / "nothing") == math.inf


class Machine:
    """A machine that is quiet from the n-th look on; looking takes half a second of patience, measuring a whole one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, disturbed: list[float], quiet_after: int = 0) -> None:
        self.now, self.looks, self.quiet_after, self.disturbed, self.measured = 0.0, 0, quiet_after, disturbed, 0
        monkeypatch.setattr(neighbours.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(neighbours, "Watch", lambda: self)
        monkeypatch.setattr(neighbours, "cores", lambda: 2)

    def free(self) -> float:
        self.now, self.looks = self.now + 0.5, self.looks + 1
        return 2.0 if self.looks > self.quiet_after else 0.3

    def measure(self) -> int:
        self.now, self.measured = self.now + 1, self.measured + 1
        return self.measured

    def seen(self) -> Disturbance:
        return Disturbance(waited_percent=self.disturbed[self.measured - 1], cpu_per_wall=1.0, load=1.0)


def test_a_neighbour_is_waited_for_and_what_it_disturbed_is_measured_again(monkeypatch):
    machine = Machine(monkeypatch, [40.0, 1.0], quiet_after=3)
    result, seen = Patience(30, 2, machine.free).undisturbed(machine.measure)
    assert (result, seen.waited_percent, seen.busy) == (2, 1.0, False)
    assert machine.looks == 5, "three looks in vain, one before each measurement"


def test_patience_has_an_end_and_the_least_disturbed_measurement_is_marked(monkeypatch):
    machine = Machine(monkeypatch, [40.0, 20.0, 30.0, 50.0, 60.0, 70.0, 80.0])
    patience = Patience(4, 2, machine.free)
    result, seen = patience.undisturbed(machine.measure)
    assert (result, seen.busy) == (2, True)
    assert machine.now <= 4 + 1.5
    assert patience.undisturbed(machine.measure)[1].busy, "what is measured later is not waited for again"
    assert machine.measured <= 4


def test_without_patience_nothing_is_looked_at_twice(monkeypatch):
    machine = Machine(monkeypatch, [40.0])
    assert Patience(0, 2, machine.free).undisturbed(machine.measure)[0] == 1
    assert machine.looks == 0


def test_every_timed_row_says_what_disturbed_it_and_how_its_rounds_differed():
    settings = ProfileSettings(image_size=16, clip_length=2, device="cpu", warmup=1, repeats=3, patience_s=0)
    for row in latency_rows(TinyConv().eval(), settings):
        assert row["cpu_per_wall"] > 0
        assert row["busy"] == (row["waited_percent"] > 5)
        assert row["fps_low"] <= row["fps"] <= row["fps_high"]


def test_fewer_repeats_than_rounds_have_no_range():
    assert math.isnan(summarise([1.0, 2.0], 1)["fps_low"])
    assert torch.tensor(summarise([4.0] * 3, 1)["fps_high"]).item() == 250.0
