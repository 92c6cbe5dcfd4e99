"""Progress in a log file and on a terminal, with a clock of the test's own."""

from __future__ import annotations

import io

import pytest

from harness.jobs import Progress


class Clock:
    """Seconds that only pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(seconds_per_step: float, steps: int, **options: object) -> list[str]:
    clock, log = Clock(), io.StringIO()
    with Progress("training U-Net", steps, stream=log, clock=clock, unit="iterations", **options) as progress:  # type: ignore[arg-type]
        for step in range(1, steps + 1):
            clock.now += seconds_per_step
            progress.advance(text=f"loss {1 / step:.3f}")
    return log.getvalue().splitlines()


def test_a_log_gets_a_line_every_half_minute_with_count_loss_and_time_left() -> None:
    assert lines_of(1.0, 100) == [
        "training U-Net: 30/100 iterations, loss 0.033, 1:10 left",
        "training U-Net: 60/100 iterations, loss 0.017, 0:40 left",
        "training U-Net: 90/100 iterations, loss 0.011, 0:10 left",
        "training U-Net: 100/100 iterations, done in 1:40",
    ]


def test_workers_that_share_a_terminal_write_lines_and_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for worker in (True, False):
        with monkeypatch.context() as patch:
            if worker:
                patch.setenv("ECHOBENCH_WORKER_OF", "1")
            clock, log = Clock(), Terminal()
            with Progress("training", 100, stream=log, clock=clock) as progress:
                clock.now += 40.0
                progress.at(50)
            assert (log.getvalue().splitlines()[0] == "training: 50/100, 0:40 left") == worker


def test_short_work_leaves_no_line() -> None:
    assert lines_of(0.1, 100) == []


def test_the_time_left_counts_only_what_was_done_in_this_sitting() -> None:
    first = lines_of(40.0, 100, done=90)[0]
    assert first == "training U-Net: 91/100 iterations, loss 1.000, 6:00 left"


def test_hours_are_written_as_hours() -> None:
    assert lines_of(3600.0, 3)[0].endswith("2:00:00 left")


def test_nothing_is_shown_or_computed_where_nothing_is_wanted() -> None:
    clock, log = Clock(), io.StringIO()

    def expensive() -> str:
        raise AssertionError("the text was asked for")

    with Progress("quiet", 10, shown=False, stream=log, clock=clock) as progress:
        clock.now = 100.0
        progress.at(5, expensive)
        progress.say("not a word")
    with Progress("not due", 10, stream=log, clock=clock) as progress:
        progress.at(5, expensive)
    assert log.getvalue() == ""


def test_an_interrupted_log_says_where_it_stopped() -> None:
    clock, log = Clock(), io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress("sweep", None, stream=log, clock=clock) as progress:
        clock.now = 31.0
        progress.advance()
        raise KeyboardInterrupt
    assert log.getvalue().splitlines() == ["sweep: 1", "sweep: 1, stopped after 0:31"]


def test_a_terminal_gets_a_bar_and_the_last_step_is_drawn() -> None:
    clock, terminal = Clock(), io.StringIO()
    with Progress("training U-Net", 4, stream=terminal, terminal=True, clock=clock) as progress:
        progress.at(1, "loss 0.900")
        progress.at(2, "loss 0.800")  # too soon to be drawn
        progress.at(4, "loss 0.700")
        assert progress._bar is not None
        task = progress._bar.tasks[0]
        assert (task.completed, task.description) == (4, "training U-Net loss 0.700")
