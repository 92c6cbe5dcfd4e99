"""Working ahead: a thread makes the next items while the present one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

DEPTH = 8
"""Frames kept ready: enough to hide a slow frame, few enough that memory stays flat."""


Item = TypeVar("Item")


def ahead(items: Iterator[Item], depth: int = DEPTH) -> Iterator[Item]:
    """The same items in the same order, made by a thread; its error is raised where its item would have come."""
    ready: queue.Queue[Item | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Item | BaseException | None) -> bool:
        # A consumer that has left takes nothing more: waiting for it without end would keep the file open.
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None)
        except BaseException as error:
            # Handed over and not raised here, where it would end the thread and nobody would hear of it.
            put(error)

    thread = threading.Thread(target=read, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
