"""Decoding ahead of the model: the next frames are read by a thread while the present one is segmented."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from harness.data.media.frames import Frame

DEPTH = 8
"""Frames kept ready: enough to hide a slow frame, few enough that memory stays flat."""


def ahead(frames: Iterator[Frame], depth: int = DEPTH) -> Iterator[Frame]:
    """The same frames in the same order; an error of the reader is raised where its frame would have come."""
    ready: queue.Queue[Frame | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Frame | BaseException | None) -> bool:
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
            for frame in frames:
                if not put(frame):
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=read, name="decoding", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
