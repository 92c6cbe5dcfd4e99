"""NIfTI in the orientation of CAMUS: whole or frame by frame, with the units that its header states."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.media.frames import Frame, FrameSource
from harness.data.media.levels import FrameLevels
from harness.errors import DataError, decoding
from harness.stated import spacing_of_header

DAMAGED = ("is damaged or not NIfTI", "restore the file from its source")
LIMIT_BYTES = 1 << 30
"""The largest clip of CAMUS has 30 MB; 1 GB is a file of something else, or a bomb (3 GB of zeros pack into 3 MB)."""
GZIP_RATIO = 1032
"""No byte of gzip unpacks to more than so many (a match of 258 bytes takes two bits)."""
_HEADER_BYTES = 348
_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_PLAUSIBLE_HZ = (5.0, 1000.0)


def read_nifti(
    path: Path,
) -> tuple[NDArray[Any], tuple[float, float] | None, float | None, tuple[str, ...]]:
    """Values [T, H, W], (row, column) spacing in mm, frames per second, and notes; the gzip checksum is verified.

    Shapes on disk: a still (W, H), a sequence (W, H, T), (W, H, 1, T) or (W, H, T, 1).

    Raises:
        DataError: missing, damaged, colour, or of another shape.
    """
    import nibabel  # here: it loads pydicom, and most commands read no NIfTI

    try:
        with decoding(path, *DAMAGED):
            content = _content(path)
            image = nibabel.Nifti1Image.from_bytes(content)
            _check_size(image, len(content))
            array = np.asarray(image.dataobj)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; restore the file.") from error
    frames = _count(array.shape, array.dtype, path)
    spacing, notes = header_spacing(image.header, content[:_HEADER_BYTES])
    # Transposed, never rotated: CAMUS stores columns first, and the apex then is up.
    values = array.reshape(*array.shape[:2], frames).transpose(2, 1, 0)
    return values, spacing, header_rate(image.header), notes


def _content(path: Path) -> bytes:
    """A file's bytes, decompressed where it ends in ``.gz``.

    Raises:
        ValueError: no regular file, or larger than any clip (``LIMIT_BYTES``).
    """
    # A pipe or device would be waited for, or read, without end.
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    if path.suffix.lower() != ".gz":
        if path.stat().st_size > LIMIT_BYTES:
            raise ValueError(f"it has more than {LIMIT_BYTES >> 20} MB")
        return path.read_bytes()
    with gzip.open(path) as stream:
        content = stream.read(LIMIT_BYTES + 1)
        # Read to its end, because only then gzip compares its CRC with the content.
        if len(content) > LIMIT_BYTES or stream.read(1):
            raise ValueError(f"it unpacks to more than {LIMIT_BYTES >> 20} MB")
    return content


def _check_size(image: Any, size: int) -> None:
    """Compare what a header claims with the bytes that are there, before memory is taken for the claim."""
    claimed = math.prod(int(n) for n in image.shape) * image.header.get_data_dtype().itemsize
    if any(n < 0 for n in image.shape) or claimed > size:
        raise ValueError(f"its header claims {claimed} bytes of pixels, the file has {size}")


def open_nifti(path: Path) -> FrameSource:
    """A clip frame by frame: see ``read_nifti`` for shapes, ``levels`` for the scale of the grey levels.

    Raises:
        DataError: damaged, not NIfTI, colour, or of another shape.
    """
    import nibabel  # here: it loads pydicom, and most commands read no NIfTI

    with decoding(path, *DAMAGED):
        # One open stream: slices that are read in order do not decompress the file again from its start.
        image: Any = nibabel.load(path, keep_file_open=True)
        _check_size(image, path.stat().st_size * (GZIP_RATIO if path.suffix.lower() == ".gz" else 1))
        shape, kind, head = image.shape, image.get_data_dtype(), _head(path)
    count = _count(shape, kind, path)
    spacing, notes = header_spacing(image.header, head)
    said = list(notes)
    return FrameSource(
        path=path,
        frames=lambda: _frames(path, image, count, said),
        count=count,
        spacing_mm=spacing,
        frame_rate_hz=header_rate(image.header),
        notes=said,
    )


def _head(path: Path) -> bytes:
    with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as stream:
        return stream.read(_HEADER_BYTES)


def _count(shape: tuple[int, ...], kind: np.dtype[Any], path: Path) -> int:
    """Frames of an array of this shape."""
    if kind.names is not None or kind.kind not in "uifb":
        raise DataError(f"{path} holds colours or other compound values ({kind}); export the clip in grey levels.")
    extra = [size for size in shape[2:] if size != 1]
    if len(shape) < 2 or len(extra) > 1 or 0 in shape:
        raise DataError(f"{path} has shape {shape}; a still (W, H) or a sequence (W, H, T) was expected.")
    return extra[0] if extra else 1


def header_spacing(header: Any, head: bytes) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(row, column) in mm, None where the header states none that can be meant, and notes on what was assumed.

    Metres and micrometres are converted; an unknown unit is taken as mm. What cannot be meant says ``spacing_of_header``.

    Args:
        header: as nibabel has it.
        head: the header's bytes.
    """
    import nibabel  # here: it loads pydicom, and most commands read no NIfTI

    # nibabel makes 1 of a pixel size of 0 and drops a minus: both would be millimetres that nobody stated.
    zooms = nibabel.Nifti1Header(head, check=False)["pixdim"][1:3] if len(head) == _HEADER_BYTES else header.get_zooms()
    unit = header.get_xyzt_units()[0]
    return spacing_of_header(*(float(zooms[axis]) * _MILLIMETRES.get(unit, 1.0) for axis in (1, 0)))


def header_rate(header: Any) -> float | None:
    """Frames per second of a header with a time axis in a known unit; None else, CAMUS's third zoom is no time."""
    zooms = header.get_zooms()
    unit = header.get_xyzt_units()[1]
    if len(zooms) < 4 or unit not in _SECONDS or not (math.isfinite(zooms[3]) and zooms[3] > 0):
        return None
    rate = 1.0 / (float(zooms[3]) * _SECONDS[unit])
    return rate if _PLAUSIBLE_HZ[0] <= rate <= _PLAUSIBLE_HZ[1] else None


def _frames(path: Path, image: Any, count: int, notes: list[str]) -> Iterator[Frame]:
    levels = FrameLevels(path, notes)
    flat = len(image.shape) > 3
    for t in range(count):
        with decoding(path, *DAMAGED):
            if len(image.shape) == 2:
                values = np.asarray(image.dataobj)
            elif flat and image.shape[3] == 1:
                values = np.asarray(image.dataobj[:, :, t])
            else:
                values = np.asarray(image.dataobj[..., t])
        yield levels(values.reshape(image.shape[:2]).T)
    levels.end()
