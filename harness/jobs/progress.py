"""How far long work is: a bar on a terminal, a line every half minute where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING

from harness.jobs.workers import is_worker

if TYPE_CHECKING:
    import rich.progress

EVERY_S = 30.0
"""Seconds between two lines in a log file."""

_REDRAW_S = 0.2  # a terminal is asked for no more pictures than an eye can follow


class Progress:
    """Shows steps done, what the caller adds to it, and the time left; on stderr.

    Args:
        label: what is being done.
        total: number of steps; None where nobody knows.
        done: steps that an earlier session did; they do not count for the speed.
        shown: False shows nothing at all.
        unit: word after the count in lines, such as "iterations".
        stream, terminal, clock: for tests; stderr, whether it is a terminal of this process alone, and a clock in seconds.

    Examples:
        >>> seconds = iter([0.0, 40.0, 80.0])
        >>> with Progress("training", 100, stream=sys.stdout, terminal=False, clock=lambda: next(seconds)) as progress:
        ...     progress.at(50, "loss 0.1")
        training: 50/100, loss 0.1, 0:40 left
        training: 50/100, stopped after 1:20
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        *,
        done: int = 0,
        shown: bool = True,
        unit: str = "",
        stream: IO[str] | None = None,
        terminal: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label, self.total, self.done, self.shown, self.unit = label, total, done, shown, unit
        self._first = done
        self._stream = stream or sys.stderr
        # Workers share one terminal: two bars would be drawn over each other.
        self._terminal = self._stream.isatty() and not is_worker() if terminal is None else terminal
        self._clock = clock
        self._lines, self._started, self._due = 0, 0.0, 0.0
        self._bar: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None

    def advance(self, steps: int = 1, text: str | Callable[[], str] = "") -> None:
        """So many steps more are done."""
        self.at(self.done + steps, text)

    def at(self, done: int, text: str | Callable[[], str] = "") -> None:
        """``done`` steps are done. ``text`` is added; a function is called only when something is shown.

        (Reading a loss makes the CPU wait for the GPU, so it is not read for pictures that nobody gets to see.)
        """
        self.done = done
        if not self.shown:
            return
        now = self._clock()
        # The last step is always drawn: a bar that ends at 98 % looks like a crash.
        if now < self._due and (not self._terminal or done != self.total):
            return
        self._due = now + (_REDRAW_S if self._terminal else EVERY_S)
        words = text() if callable(text) else text
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=f"{self.label} {words}".rstrip())
        else:
            left = self._left(now)
            self._line(words, *([f"{_clock_time(left)} left"] if left is not None else []))

    def say(self, sentence: str) -> None:
        """Print a sentence of its own, above the bar where there is one."""
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.console.print(sentence, highlight=False, soft_wrap=True)
        else:
            print(sentence, file=self._stream, flush=True)

    def __enter__(self) -> Progress:
        self._started = self._clock() if self.shown else 0.0
        self._due = self._started + (0.0 if self._terminal else EVERY_S)
        if self.shown and self._terminal:
            self._bar, self._task = self._rich()
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done)
            self._bar.stop()
        elif self._lines:  # work that was too short for a line needs no last line either
            word = "done in" if kind is None and self.done == self.total else "stopped after"
            self._line("", f"{word} {_clock_time(self._clock() - self._started)}")

    def _left(self, now: float) -> float | None:
        # Steps of an earlier session took no time of this one.
        steps = self.done - self._first
        if self.total is None or steps <= 0:
            return None
        return (now - self._started) / steps * (self.total - self.done)

    def _line(self, *facts: str) -> None:
        count = f"{self.done}" if self.total is None else f"{self.done}/{self.total}"
        parts = [f"{count} {self.unit}".rstrip(), *(fact for fact in facts if fact)]
        # Flushed, or a log file shows nothing for as long as its buffer is not full.
        print(f"{self.label}: {', '.join(parts)}", file=self._stream, flush=True)
        self._lines += 1

    def _rich(self) -> tuple[rich.progress.Progress, rich.progress.TaskID]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        from harness.terminal import console as new_console

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        bar = Bar(*columns, console=new_console(file=self._stream), transient=True)
        return bar, bar.add_task(self.label, total=self.total, completed=self.done)


def _clock_time(seconds: float) -> str:
    """3725 → "1:02:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
