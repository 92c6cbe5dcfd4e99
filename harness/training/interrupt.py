"""Ctrl-C that waits for a safe moment."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class DeferredInterrupt:
    """Inside the context a first Ctrl-C only sets a flag, which ``check`` turns into ``KeyboardInterrupt``.

    A second Ctrl-C raises at once. Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: Any = None

    def __enter__(self) -> DeferredInterrupt:
        # signal.signal raises outside the main thread, and Python delivers Ctrl-C to the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if Ctrl-C was pressed."""
        if self.pending:
            raise KeyboardInterrupt

    # The second Ctrl-C is for whoever does not want to wait for the checkpoint.
    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True
