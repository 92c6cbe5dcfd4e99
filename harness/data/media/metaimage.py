"""Reading MetaImage files (``.mhd`` header with ``.raw`` or ``.zraw`` pixels, or both in one ``.mha``)."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError
from harness.files import is_inside, refuse_pipe
from harness.stated import refuse_large, spacing_of_header

_TYPES = {
    "MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "u2", "MET_SHORT": "i2",
    "MET_UINT": "u4", "MET_INT": "i4", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_LARGEST_HEADER = 65536
LIMIT_BYTES = 1 << 30
"""As of NIfTI: what is larger is no clip, or a bomb."""


def read_metaimage_values(
    path: Path,
) -> tuple[NDArray[Any], tuple[float, float] | None, float | None, tuple[str, ...]]:
    """Values [T, H, W], (row, column) spacing in mm, no frame rate (the third spacing is a thickness), and notes.

    Raises:
        DataError: missing, not a MetaImage, of an unknown type or of the wrong length.
    """
    header, after = _read_header(path)
    try:
        width, height, *rest = (int(value) for value in header["DimSize"].split())
        kind = np.dtype(_TYPES[header["ElementType"]])
        channels = int(header.get("ElementNumberOfChannels", "1"))
        # MetaImage counts x first; everything here is (row, column).
        column_mm, row_mm = (float(value) for value in header.get("ElementSpacing", "1 1").split()[:2])
        name = header["ElementDataFile"]
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}: {error}); restore the file.") from error
    frames = [size for size in rest if size != 1]
    if len(frames) > 1 or channels != 1:
        raise DataError(f"{path} has the size {header['DimSize']}; a grey picture or sequence was expected.")
    if header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False")) == "True":
        kind = kind.newbyteorder(">")
    refuse_large(path, height, width)
    if not is_inside(Path(name).name):
        raise DataError(f"{path} names a file of pixels that no file can be called ({name[:80]!r}); restore the file.")
    raw = after if name == "LOCAL" else _read_raw(path.with_name(Path(name).name))
    values = _decode(raw, header, kind, path).reshape(frames[0] if frames else 1, height, width)
    spacing, notes = spacing_of_header(row_mm, column_mm)
    return values, spacing, None, notes


def _decode(raw: bytes, header: dict[str, str], kind: np.dtype[Any], path: Path) -> NDArray[Any]:
    expected = kind.itemsize * math.prod(int(value) for value in header["DimSize"].split())
    if expected <= 0:
        raise DataError(
            f"{path} has the size {header['DimSize']}, which is no picture; restore the file from its source."
        )
    if expected > LIMIT_BYTES:
        raise DataError(
            f"{path} claims more than {LIMIT_BYTES >> 20} MB of pixels; restore the file, or cut the clip into shorter ones."
        )
    try:
        # One byte more than stated shows that there are more; a few kilobytes can unpack to gigabytes.
        packed = header.get("CompressedData", "False") == "True"
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(raw, expected + 1) if packed else raw
    except zlib.error as error:
        raise DataError(f"{path} is damaged ({error}); restore the file from its source.") from error
    # np.reshape would refuse too, but without the file's name.
    if len(content) != expected:
        held = f"more than {expected}" if packed and len(content) > expected else f"{len(content)}"
        raise DataError(f"{path} holds {held} bytes instead of {expected}; restore the file from its source.")
    if packed and not unpacker.eof:
        raise DataError(f"{path} ends before its pixels do; restore the file from its source.")
    return np.frombuffer(content, dtype=kind)


def metaimage_files(path: Path) -> list[Path]:
    """The header and, where they lie in another file that is there, its pixels; the header alone where it is damaged."""
    try:
        name = _read_header(path)[0].get("ElementDataFile", "LOCAL")
    except DataError:
        return [path]
    pixels = path.with_name(Path(name).name or path.name)
    return [path, pixels] if name != "LOCAL" and pixels != path and pixels.is_file() else [path]


def _read_header(path: Path) -> tuple[dict[str, str], bytes]:
    """Keys of the header, and what follows it in an ``.mha``."""
    refuse_pipe(path, "The picture")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; restore the file.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); restore the file.") from error
    # ElementDataFile is the header's last line by definition; pixels follow where it says LOCAL.
    mark = content.find(b"ElementDataFile", 0, _LARGEST_HEADER)
    end = content.find(b"\n", mark) if mark >= 0 else -1
    end = len(content) if mark >= 0 and end < 0 else end
    try:
        lines = content[: max(end, 0)].decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a MetaImage header ({error}); restore the file.") from error
    pairs = (line.partition("=") for line in lines if "=" in line)
    header = {key.strip(): value.strip() for key, _, value in pairs}
    if not header:
        raise DataError(f"{path} is not a MetaImage header (no ElementDataFile); restore the file.")
    return header, content[end + 1 :]


def _read_raw(path: Path) -> bytes:
    refuse_pipe(path, "The file of pixels")
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); restore the file.") from error
