"""Temporary folders that only their owner reads, and what killed processes have left of them and of half-written files.

Who works in such a folder, or writes such a file, holds a lock of the system on it, which ends with the process however
that ends: what nobody holds is a leftover.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

OLD_S = 24 * 3600.0
"""Where a file system knows no locks, what has not changed for a day is a leftover."""
HALF_WRITTEN = ".*.tmp"
"""Names that ``files.atomic_file`` writes under until a file is whole."""
TEMPORARY = "echobench-*"
"""Names in the system's folder for temporary files."""

_held: dict[Path, int] = {}


def make_private(parent: Path | None, prefix: str, suffix: str = "") -> Path:
    """A new folder, for this user alone; leftovers of the same name in ``parent`` are removed first.

    Args:
        parent: where; None for the system's folder for temporary files.
        prefix, suffix: of its name.
    """
    place = Path(parent or tempfile.gettempdir())
    for path in leftovers(place.glob(f"{prefix}*{suffix}")):
        remove(path)
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=place))
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        _held[folder] = descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder


def drop_private(folder: Path) -> None:
    """Remove a folder of ``make_private``; one that got another name meanwhile is let go of."""
    shutil.rmtree(folder, ignore_errors=True)
    descriptor = _held.pop(folder, None)
    if descriptor is not None:
        os.close(descriptor)


@contextlib.contextmanager
def private_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder of ``make_private`` for the time of the context."""
    folder = make_private(parent, prefix)
    try:
        yield folder
    finally:
        drop_private(folder)


def leftovers(paths: Iterable[Path]) -> list[Path]:
    """Those of some files and folders that nobody holds."""
    return sorted(path for path in paths if not path.is_symlink() and _abandoned(path))


def remove(path: Path) -> None:
    """Remove a leftover, be it a file or a folder; one that cannot be removed stays."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def remove_half_written(folder: Path) -> None:
    """Remove the files below a folder that a killed process was writing; whoever writes there now is not disturbed."""
    for path in leftovers(folder.rglob(HALF_WRITTEN)):
        remove(path)


def in_folders(results: Path, data: Path, reports: Path) -> list[Path]:
    """Leftovers of a results store, of a data folder, of reports and of the system's temporary folder."""
    places = [
        results.rglob(HALF_WRITTEN),
        reports.rglob(HALF_WRITTEN),
        data.glob(".*.partial"),
        (path for path in data.glob("cache/.*") if path.is_dir()),
    ]
    places.append(path for path in Path(tempfile.gettempdir()).glob(TEMPORARY) if path.stat().st_uid == os.getuid())
    # A traceback was named in a sentence: it is what somebody may still want to read, for a while.
    return [
        path
        for path in leftovers(path for place in places for path in place)
        if not path.name.startswith("echobench-traceback-") or _age_s(path) > OLD_S
    ]


def _abandoned(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return _age_s(path) > OLD_S
    finally:
        os.close(descriptor)
    # Made this moment, and not locked yet.
    return _age_s(path) > 1.0


def _age_s(path: Path) -> float:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0
