"""Packing a prepared cache into one file and unpacking it elsewhere, so that the source files need not travel."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from harness.data.prepared import MANIFEST, PreparedCache
from harness.errors import BenchError, DataError
from harness.files import atomic_file, is_inside, sync_folder
from harness.leftovers import drop_private, make_private


def pack(cache: PreparedCache, archive: str | Path) -> Path:
    """Write a cache as ``.tar.gz``; the same cache gives the same bytes. Its content is verified first.

    Raises:
        DataError: the cache is damaged. BenchError: the disk is full.
    """
    cache.verify()
    with (
        atomic_file(Path(archive)) as stream,
        gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        # The manifest last: an archive cut short has none and is refused when it is opened.
        for name in [*sorted(cache.manifest["files"]), MANIFEST]:
            tar.add(cache.path / name, arcname=f"{cache.path.name}/{name}", filter=_plain)
    return Path(archive)


def _plain(item: tarfile.TarInfo) -> tarfile.TarInfo:
    # Times and owners would give other bytes on another machine and tell who packed it.
    item.mtime, item.uid, item.gid, item.uname, item.gname, item.mode = 0, 0, 0, "", "", 0o644
    return item


MEMBERS_LIMIT = 100
"""A packed cache has four files; whoever needs more of them has packed something else."""
RATIO_LIMIT = 200
"""Bytes unpacked per byte packed. Grey frames reach 3, label maps that are mostly background 30; gzip itself ends at 1032."""


def unpack(archive: str | Path, cache_root: str | Path) -> PreparedCache:
    """Unpack below ``cache_root``, verify every byte and open; a cache that is already there is kept.

    Before anything is written the archive's own list is read: its number of files, their kinds, names and sizes, and
    whether the disk holds them.

    Raises:
        DataError: the archive is missing, damaged or not a packed cache. BenchError: the disk has no room for it.
    """
    archive, root = Path(archive), Path(cache_root)
    if not archive.is_file():
        raise DataError(f"The packed cache {archive} does not exist or is no file.")
    root.mkdir(parents=True, exist_ok=True)
    folder = make_private(root, ".unpacking.")
    try:
        with tarfile.open(archive, "r:gz") as tar:
            _check_members(_listed(tar, archive.stat().st_size), root)
            # The filter refuses paths that leave the folder, links and devices (PEP 706).
            tar.extractall(folder, filter="data")
        # Anything but a single folder is no cache of ours: a ValueError, which is caught below.
        (inner,) = folder.iterdir()
        PreparedCache.open(inner).verify()
        place = root / inner.name
        if not place.exists():
            # Renamed once whole: nobody ever sees a cache that is half unpacked.
            os.rename(inner, place)
            sync_folder(root)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, NotADirectoryError) as error:
        raise DataError(f"{archive} is damaged or not a packed cache ({error}); copy it again.") from error
    except DataError as error:
        # What it names lies in a temporary folder that is gone when the sentence is read.
        reason = "its content is not what it states"
        raise DataError(f"{archive} is damaged or not a packed cache ({reason}); copy it again.") from error
    finally:
        drop_private(folder)
    return PreparedCache.open(place)


def _listed(tar: tarfile.TarFile, packed: int) -> Iterator[tarfile.TarInfo]:
    """The members of an archive, read no further than the limits allow."""
    total = 0
    for count, item in enumerate(tar, 1):
        total += item.size
        if count > MEMBERS_LIMIT:
            raise ValueError(f"it holds more than {MEMBERS_LIMIT} files")
        # Asked for each member before tarfile skips its content, which means decompressing it.
        if total > packed * RATIO_LIMIT:
            raise ValueError(f"its {packed} bytes claim to hold {total}")
        yield item


def _check_members(members: Iterator[tarfile.TarInfo], root: Path) -> None:
    items = list(members)
    if any(not item.isreg() for item in items) or len({item.name for item in items}) != len(items):
        raise ValueError("it holds something else than files, or one file twice")
    if strange := [item.name for item in items if not is_inside(item.name) or item.name.count("/") != 1]:
        raise ValueError(f"it holds the file {strange[0]!r}, which is no part of a cache")
    total, free = sum(item.size for item in items), shutil.disk_usage(root).free
    if total > free:
        raise BenchError(
            f"{root} has {free >> 20} MB free, and the packed cache needs {total >> 20} MB; make room for it."
        )
