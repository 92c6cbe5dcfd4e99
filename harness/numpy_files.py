"""Reading files of NumPy arrays that may come from anybody: nothing in them runs, and nothing is read that they only claim."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from harness.files import open_piecewise

LIMIT_BYTES = 1 << 30
RATIO_LIMIT = 200
"""An archive may unpack to a gigabyte, or to so many times its size where it is large: masks are mostly background, bombs are nothing else."""
_SUFFIX = ".npy"


def read_array(path: Path) -> NDArray[Any]:
    """The array of an ``.npy`` file.

    Raises:
        OSError: there is no such file. ValueError: it is damaged, claims more than it holds, or holds Python objects.
    """
    with open_piecewise(path) as stream:
        _check_claim(stream, path.stat().st_size)
        stream.seek(0)
        # allow_pickle=False: a file of numbers must not run code.
        return np.asarray(npy.read_array(stream, allow_pickle=False))


class ArrayFile(Mapping[str, NDArray[Any]]):
    """The arrays of an ``.npz`` by their names, each read, and its checksum compared, when it is asked for.

    Use as a context manager. Damaged files raise whatever zipfile, zlib and numpy raise: read inside ``errors.decoding``.

    Raises:
        OSError: there is no such file. ValueError: it would unpack to more than any clip. zipfile.BadZipFile: no archive.
    """

    def __init__(self, path: Path) -> None:
        self._stream = open_piecewise(path)
        try:
            self._archive = zipfile.ZipFile(self._stream)
            claimed = sum(item.file_size for item in self._archive.infolist())
            if claimed > max(LIMIT_BYTES, RATIO_LIMIT * path.stat().st_size):
                raise ValueError(f"it claims to unpack to {claimed >> 20} MB")
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._archive.close()
        self._stream.close()

    def __getitem__(self, name: str) -> NDArray[Any]:
        item = self._archive.getinfo(f"{name}{_SUFFIX}")
        with self._archive.open(item) as stream:
            _check_claim(stream, item.file_size)
        with self._archive.open(item) as stream:
            array = npy.read_array(stream, allow_pickle=False)
            # zipfile compares the checksum at the end of a member, which an array need not reach.
            stream.read(1)
        return np.asarray(array)

    def __iter__(self) -> Iterator[str]:
        return (name.removesuffix(_SUFFIX) for name in self._archive.namelist() if name.endswith(_SUFFIX))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _check_claim(stream: IO[bytes], size: int) -> None:
    """Compare the shape in an array's header with the bytes that are there: numpy takes the memory first."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its arrays are of version {version[0]}.{version[1]}")
    shape, _, kind = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)
    claimed = math.prod(shape) * kind.itemsize
    if min(shape, default=0) < 0 or claimed > size - stream.tell():
        raise ValueError(f"its header claims {claimed} bytes, and {size - stream.tell()} are there")
