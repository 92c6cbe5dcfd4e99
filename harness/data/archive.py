"""Packing a prepared cache into one file and unpacking it elsewhere, so that the source files need not travel."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from harness.data.prepared import MANIFEST, PreparedCache
from harness.errors import DataError
from harness.files import atomic_file


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


def unpack(archive: str | Path, cache_root: str | Path) -> PreparedCache:
    """Unpack below ``cache_root``, verify every byte and open; a cache that is already there is kept.

    Raises:
        DataError: the archive is missing, damaged or not a packed cache.
    """
    archive, root = Path(archive), Path(cache_root)
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".unpacking.", dir=root))
    try:
        with tarfile.open(archive, "r:gz") as tar:
            # The filter refuses paths that leave the folder, links and devices (PEP 706).
            tar.extractall(folder, filter="data")
        # Anything but a single folder is no cache of ours: a ValueError, which is caught below.
        (inner,) = folder.iterdir()
        PreparedCache.open(inner).verify()
        place = root / inner.name
        if not place.exists():
            # Renamed once whole: nobody ever sees a cache that is half unpacked.
            os.rename(inner, place)
    except FileNotFoundError as error:
        raise DataError(f"The packed cache {archive} does not exist.") from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise DataError(f"{archive} is damaged or not a packed cache ({error}); copy it again.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return PreparedCache.open(place)
