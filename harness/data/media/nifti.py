"""NIfTI in the orientation of CAMUS: whole or frame by frame, with the units that its header states."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.media.frames import Frame, FrameSource
from harness.data.media.levels import FrameLevels
from harness.errors import DataError, decoding
from harness.files import PiecewiseReader, open_piecewise
from harness.stated import refuse_large, spacing_of_header

DAMAGED = ("is damaged or not NIfTI", "restore the file from its source")
LIMIT_BYTES = 1 << 30
"""The largest clip of CAMUS has 30 MB; 1 GB is a file of something else, or a bomb (3 GB of zeros pack into 3 MB)."""
GZIP_RATIO = 1032
"""No byte of gzip unpacks to more than so many (a match of 258 bytes takes two bits)."""
_HEADER_BYTES = 540
"""Of NIfTI-2; that of NIfTI-1 has 348 and at least four bytes behind it."""
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
    try:
        with decoding(path, *DAMAGED):
            content, size = _content(path)
            head = content.read(_HEADER_BYTES)
            image = _image(content, head)
            _check_size(image, path, size)
            array = np.asarray(image.dataobj)
            (spacing, notes), rate = header_spacing(image.header, head), header_rate(image.header)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; restore the file.") from error
    frames = _count(array.shape, array.dtype, path)
    # Transposed, never rotated: CAMUS stores columns first, and the apex then is up.
    values = array.reshape(*array.shape[:2], frames).transpose(2, 1, 0)
    return values, spacing, rate, notes


def _content(path: Path) -> tuple[io.BytesIO, int]:
    """A file's bytes, decompressed where it ends in ``.gz``, and how many they are; no more memory is taken than they need.

    Raises:
        ValueError: no regular file, or larger than any clip (``LIMIT_BYTES``).
    """
    # A pipe or device would be waited for, or read, without end.
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    content = io.BytesIO()
    with _opened(path) as stream:
        # Read to its end, because only then gzip compares its CRC with the content.
        while piece := stream.read(stream.PIECE):
            content.write(piece)
            if content.tell() > LIMIT_BYTES:
                raise ValueError(f"it holds more than {LIMIT_BYTES >> 20} MB")
    size = content.tell()
    content.seek(0)
    return content, size


def _opened(path: Path) -> PiecewiseReader:
    return open_piecewise(path, packed=path.suffix.lower() == ".gz")


def _image(stream: Any, head: bytes) -> Any:
    """The image of a stream that begins with the header ``head``; its pixels are read when they are asked for."""
    import nibabel  # here: it loads pydicom, and most commands read no NIfTI

    stream.seek(0)
    return (nibabel.Nifti2Image if _is_second(head) else nibabel.Nifti1Image).from_stream(stream)


def _is_second(head: bytes) -> bool:
    """Whether a header is of NIfTI-2, which begins with its own length, 540 in either order of bytes."""
    return head[:4] in ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))


def _check_size(image: Any, path: Path, size: int) -> None:
    """Compare what a header claims with the bytes that are there, before memory is taken for the claim."""
    claimed = math.prod(int(n) for n in image.shape) * image.header.get_data_dtype().itemsize
    if any(n < 0 for n in image.shape) or claimed > size:
        raise ValueError(f"its header claims {claimed} bytes of pixels, the file has {size}")
    if len(image.shape) > 1:
        refuse_large(path, int(image.shape[1]), int(image.shape[0]))


def open_nifti(path: Path) -> FrameSource:
    """A clip frame by frame: see ``read_nifti`` for shapes, ``levels`` for the scale of the grey levels.

    Raises:
        DataError: damaged, not NIfTI, colour, or of another shape.
    """
    with decoding(path, *DAMAGED), _opened(path) as stream:
        head = stream.read(_HEADER_BYTES)
        image = _image(stream, head)
        # Of a packed stream only the most that it can hold is seen from outside: what is taken at once is a frame.
        _check_size(image, path, path.stat().st_size * (GZIP_RATIO if path.suffix.lower() == ".gz" else 1))
        (spacing, notes), rate = header_spacing(image.header, head), header_rate(image.header)
    count = _count(image.shape, image.get_data_dtype(), path)
    said = list(notes)
    return FrameSource(
        path=path,
        frames=lambda: _frames(path, count, said),
        count=count,
        spacing_mm=spacing,
        frame_rate_hz=rate,
        notes=said,
    )


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

    kind = nibabel.Nifti2Header if _is_second(head) else nibabel.Nifti1Header
    size = kind.template_dtype.itemsize
    # nibabel makes 1 of a pixel size of 0 and drops a minus: both would be millimetres that nobody stated.
    zooms = kind(head[:size], check=False)["pixdim"][1:3] if len(head) >= size else header.get_zooms()
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


def _frames(path: Path, count: int, notes: list[str]) -> Iterator[Frame]:
    levels = FrameLevels(path, notes)
    # One open stream: slices that are read in order do not decompress the file again from its start.
    with _opened(path) as stream:
        for t in range(count):
            with decoding(path, *DAMAGED):
                if t == 0:
                    image = _image(stream, stream.read(_HEADER_BYTES))
                flat = len(image.shape) > 3 and image.shape[3] == 1
                if len(image.shape) == 2:
                    values = np.asarray(image.dataobj)
                else:
                    values = np.asarray(image.dataobj[:, :, t] if flat else image.dataobj[..., t])
            yield levels(values.reshape(image.shape[:2]).T)
    levels.end()
