"""One attempt on a reader: its file is changed, it is read, and what came of that is counted."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fuzzing.mutations import Choose, mutated
from fuzzing.reader import Reader
from harness.errors import BenchError, NoMemoryError, chain, explained

LIMIT_BYTES = 1 << 30
"""What a reader may take above what the process has already."""
LIMIT_S, WAIT_S = 20, 240
"""Of the processor, and of the clock: the files have some kilobytes, and what takes so long does not end. A busy machine alone is no hang."""


class HangError(BaseException):
    """Not an ``Exception``: no reader may take it for damage of its file."""


@dataclass(kw_only=True, slots=True)
class Tally:
    """What came of the attempts on one reader; ``faults`` by kind and place, with the last line of the error.

    ``memory_mb`` is what the process took above its beginning at most.
    """

    name: str
    attempts: int = 0
    read: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    memory_mb: int = 0
    faults: dict[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def attempt(reader: Reader, original: bytes, choose: Choose, tally: Tally, keep: Path | None = None) -> str | None:
    """Change the file, read it, count; returns the fault where there was one.

    Args:
        reader: what is tried; its file is left changed.
        original: the file as it was.
        choose: draws the changes.
        tally: counts.
        keep: folder for files that made a new kind of fault.
    """
    content = reader.pack(mutated(reader.unpack(original), reader.kind, choose))
    reader.file.write_bytes(content)
    tally.attempts += 1
    began = time.process_time()
    fault = _outcome(reader, tally)
    tally.slowest_s = max(tally.slowest_s, time.process_time() - began)
    if fault is not None and fault[0] not in tally.faults:
        tally.faults[fault[0]] = fault[1]
        if keep is not None:
            digest = hashlib.sha256(content).hexdigest()[:8]
            (keep / f"{reader.name.replace(' ', '_').replace(',', '')}-{digest}").write_bytes(content)
    return None if fault is None else ": ".join(fault)


def _outcome(reader: Reader, tally: Tally) -> tuple[str, str] | None:
    try:
        with bounded_time():
            reader.read()
        tally.read += 1
        return None
    except (BenchError, OSError) as error:
        sentence = explained(error)
        # A whole gigabyte that a file of kilobytes asked for ends in a sentence as well.
        if sentence is None or any(isinstance(item, MemoryError | NoMemoryError) for item in chain(error)):
            return _where(error)
        if "\n" in str(sentence) or len(str(sentence)) > 2000:
            return f"no sentence: {type(error).__name__}", repr(str(sentence)[:200])
        tally.refused += 1
        return None
    except (Exception, HangError) as error:
        return _where(error)


def _where(error: BaseException) -> tuple[str, str]:
    """Kind of an error and the last lines of the harness that it passed, and its message."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/harness/" in frame.filename]
    place = " < ".join(f"{frame.filename.rpartition('/harness/')[2]}:{frame.lineno}" for frame in frames[:-4:-1])
    return f"{type(error).__name__} at {place or 'no line of the harness'}", str(error)[:200]


@contextlib.contextmanager
def bounded_time() -> Iterator[None]:
    """Raise ``HangError`` inside after ``LIMIT_S`` seconds of work, or ``WAIT_S`` of waiting."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise HangError(f"longer than {LIMIT_S} s" if number == signal.SIGPROF else f"waited for {WAIT_S} s")

    limits = ((signal.SIGPROF, signal.ITIMER_PROF, LIMIT_S), (signal.SIGALRM, signal.ITIMER_REAL, WAIT_S))
    before = {number: signal.signal(number, stop) for number, _, _ in limits}
    for _, timer, seconds in limits:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for number, timer, _ in limits:
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


@contextlib.contextmanager
def bounded_memory(limit: int = LIMIT_BYTES) -> Iterator[None]:
    """Let the address space grow by so many bytes and no further: what asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
