"""A limit of time on a command: what is in hand is saved and left at a safe moment, and nothing more is begun."""

from __future__ import annotations

import math
import time
from typing import Any

from harness.training import Watcher

REASON = "stopped by the time limit; the same command goes on"


class TimeLimit(Watcher):
    """Stops a training as Ctrl-C does, after a whole step and with a checkpoint, when time is over.

    Args:
        minutes: from now on; None for no limit.
    """

    priority = "LOW"

    def __init__(self, minutes: float | None) -> None:
        # Monotonic: a clock that is set back must not lengthen a cluster's job.
        self.ends = math.inf if minutes is None else time.monotonic() + 60 * minutes
        self.stopped = False

    @property
    def over(self) -> bool:
        """Whether nothing more is to be begun."""
        return time.monotonic() >= self.ends

    def before_training(self, runner: Any) -> None:
        """Also before the first step: the time may have passed while data was read."""
        self._stop(runner)

    def after_step(self, runner: Any) -> None:
        """Ask for the end of the training at its next safe moment."""
        self._stop(runner)

    def _stop(self, runner: Any) -> None:
        if self.over:
            # The same flag that Ctrl-C sets: one way to stop in the middle, tried by the tests of both.
            self.stopped = runner.interrupt.pending = True
