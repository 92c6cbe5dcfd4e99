"""A lease on a folder: one holder at a time, among all processes of all machines that see the folder.

A lease is a file ``.claim/<number>.json``. The highest number counts; whoever wants the folder creates the next one,
which the file system lets exactly one process do. The holder rewrites its own file with a growing counter every few
seconds. A file whose counter stands still for the limit is stale, and the next number may be created. A process that
was stopped and goes on sees a higher number, or its own last sign of life older than the limit, and writes nothing.
Why not a lock of the system alone: docs/decisions/0002-one-claim.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BenchError
from harness.files import create_text, fenced
from harness.store.process import ended, now, this_process

FOLDER = ".claim"
LIMIT_S = 120.0
"""A holder without a sign of life for so long has lost its lease."""
LONGEST_S = 24 * 3600.0
"""A lease that claims to hold longer without a sign of life is damaged: nobody could ever take it over."""
BEATS_PER_LIMIT = 8
"""Signs of life within the limit: a shared folder may swallow or delay several of them."""
SKEW_S = 600.0
"""Difference between two machines' clocks that a mere look at a lease allows for (``Lease.status`` only)."""


class LeaseLostError(BenchError):
    """The process no longer holds the folder that it works in; it must not write there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who holds a folder: ``by`` ("process 12 on host-a"), ``since`` when (ISO time), and on which ``host`` (empty: not told)."""

    by: str
    since: str
    host: str = ""
    pid: int = 0


class Lease:
    """The right to write in a folder, kept alive by a thread; use it as a context.

    Inside the context files below the folder are only committed while the lease is held (``files.fenced``).

    Args:
        folder: what is held.
        number: of this lease among those of the folder.
        content: what stands in the lease's file.
    """

    def __init__(self, folder: Path, number: int, content: dict[str, Any], began: float) -> None:
        self.folder, self.number = folder, number
        self.limit_s: float = content["limit_s"]
        self._content, self._last = content, began
        self._lost, self._stop = False, threading.Event()
        self._stack = contextlib.ExitStack()

    @property
    def lost(self) -> bool:
        """Whether the lease is known to be lost; does not look at the disk."""
        # The own clock comes first: nobody takes a lease before the limit is over, so what is committed within it is
        # committed before any successor begins, even if the successor's file is not visible here yet.
        if _clock() - self._last > self.limit_s:
            self._lost = True
        return self._lost

    def check(self) -> None:
        """Return if the folder is still ours, by the clock and by the files.

        Raises:
            LeaseLostError: it is not.
        """
        if not self.lost and not self._newest():
            self._lost = True
        if self._lost:
            raise LeaseLostError(
                f"This process no longer holds {self.folder}: it gave no sign of life for {self.limit_s:.0f} s "
                "(stopped, or the disk did not answer) or another process has taken it over. Nothing more is written."
            )

    def beat(self) -> None:
        """One sign of life; a disk that does not answer is asked again at the next one."""
        began = _clock()
        with contextlib.suppress(OSError):
            # Looked at before writing: a process that was stopped and goes on must not revive its lease.
            if self.lost or not self._newest():
                self._lost = True
                return
            self._content["beat"] += 1
            _replace(_file(self.folder, self.number), self._content)
            self._last = began

    def __enter__(self) -> Lease:
        # The fence first: from the first sign of life on nothing is written below the folder unasked.
        self._stack.enter_context(fenced(self.folder, self.check))
        threading.Thread(target=self._beat_on, name=f"lease of {self.folder.name}", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._stack.close()
        self.release()

    def release(self) -> None:
        """Give the folder back; only the own file is touched, so that a lost lease disturbs nobody."""
        if not self.lost:
            self._content["released"] = True
            with contextlib.suppress(OSError):
                _replace(_file(self.folder, self.number), self._content)
        self._lost = True

    def _beat_on(self) -> None:
        # A thread, because a training step or a full garbage collection may take longer than a beat.
        while not self._stop.wait(self.limit_s / BEATS_PER_LIMIT):
            self.beat()
            if self._lost:
                return

    def _newest(self) -> bool:
        # By token and not by number alone: a folder that was copied, or deleted and begun anew, has the same numbers.
        number, content = _read(self.folder)
        return number == self.number and content is not None and content.get("token") == self._content["token"]


class Watch:
    """Remembers when each lease was last seen to change, by this process's own clock.

    Two machines' clocks are never compared: a lease is stale when its counter stood still for the limit while we looked
    on, however wrong anybody's clock is. So one ``Watch`` must see a lease several times before it is stale.
    """

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[Any, float]] = {}

    def silent_s(self, folder: Path, state: Any) -> float:
        """Seconds for which a folder's lease has been in the same state."""
        # Time that this machine sleeps does not count: others may have given signs of life meanwhile.
        clock = time.monotonic()
        before, since = self._seen.get(folder, (None, clock))
        if before != state:
            self._seen[folder] = (state, clock)
            return 0.0
        return clock - since


def acquire(folder: Path, watch: Watch, limit_s: float | None = None) -> Lease | Holder:
    """Take the lease of a folder if it is free, released, stale or of a process that has ended; else say who holds it.

    Args:
        folder: made where it is missing.
        watch: of this process; keep it from one try to the next.
        limit_s: seconds without a sign of life after which the new lease is lost; None takes ``ECHOBENCH_LEASE_S`` or
            ``LIMIT_S``. It stands in the lease, so that all machines judge by the same one.
    """
    number, content = _read(folder)
    if number and not _free(folder, number, content, watch):
        return _holder(content)
    limit = limit_s or float(os.environ.get("ECHOBENCH_LEASE_S", LIMIT_S))
    began = _clock()
    mine = {**this_process(), "token": secrets.token_hex(8), "since": now(), "limit_s": limit, "beat": 0}
    # A hard link of a complete file: exactly one of several processes succeeds, and nobody ever reads a half of it.
    created = create_text(_file(folder, number + 1), json.dumps(mine))
    lease = Lease(folder, number + 1, mine, began)
    # A third process may have taken the number after ours already, if we were stopped between the two lines.
    if not (created and lease._newest()):
        return _holder(_read(folder)[1])
    for _, path in _files(folder):
        if path != _file(folder, number + 1):
            # Old leases alone: without the newest one its number could be given out a second time.
            path.unlink(missing_ok=True)
    return lease


def look(folder: Path) -> Holder | None:
    """Who seems to hold a folder, judged in one look; None for nobody. Only for display: ``acquire`` decides.

    A holder of another machine counts while its file is not older than its limit and ``SKEW_S``.
    """
    number, content = _read(folder)
    if not number or content is None or content.get("released") or ended(content):
        return None
    try:
        # Clocks are compared here, which ``acquire`` never does: a wrong word in a list harms nobody.
        age = time.time() - _file(folder, number).stat().st_mtime
    except OSError:
        return None
    return _holder(content) if age < content["limit_s"] + SKEW_S else None


def _free(folder: Path, number: int, content: dict[str, Any] | None, watch: Watch) -> bool:
    # A process of this machine that has ended is known at once; without this every restart would wait two minutes.
    if content is not None and (content.get("released") or ended(content)):
        return True
    state = (number, content and (content["token"], content["beat"]))
    return watch.silent_s(folder, state) > (content["limit_s"] if content else LIMIT_S)


def _holder(content: dict[str, Any] | None) -> Holder:
    if content is None:  # created this moment, or on a disk that shows a file before its content
        return Holder(by="another process", since="")
    by = f"process {content['pid']} on {content['host']}"
    return Holder(by=by, since=content["since"], host=content["host"], pid=content["pid"])


def _file(folder: Path, number: int) -> Path:
    return folder / FOLDER / f"{number}.json"


def _files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Number and path of every lease of a folder, in no order."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in (folder / FOLDER).iterdir():
            if path.suffix == ".json" and path.stem.isdigit():
                yield int(path.stem), path


def _read(folder: Path) -> tuple[int, dict[str, Any] | None]:
    """Number and content of the lease that counts: 0 where there is none, None for a content that cannot be read."""
    number, path = max(_files(folder), default=(0, folder))
    if not number:
        return 0, None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return number, None
    return number, content if _whole(content) else None


def _whole(content: Any) -> bool:
    """Whether a file's content is a lease as ``acquire`` writes it, with a limit that ends within a day."""
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), str) for key in ("token", "since", "host")
    ):
        return False
    numbers = [content.get(key) for key in ("pid", "beat", "limit_s")]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers):
        return False
    return (
        isinstance(content["pid"], int)
        and 0 < content["limit_s"] <= LONGEST_S
        and isinstance(content.get("started"), int | None)
    )


def _replace(path: Path, content: dict[str, Any]) -> None:
    """Replace a lease's own file; no fsync and no fence: a sign of life that a crash loses is none."""
    temporary = path.with_suffix(f".{content['token']}")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    # Replaced, not rewritten: a reader sees the old sign of life or the new one.
    os.replace(temporary, path)


def _clock() -> float:
    """Seconds that pass whatever happens to this process, sleep of the machine included where the system counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
