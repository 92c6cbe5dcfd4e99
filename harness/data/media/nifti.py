"""NIfTI sequences (W, H, T) as streams of frames."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from harness.errors import DataError
from harness.data.media.frames import Frame, FrameSource

_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError)


def open_nifti(path: Path) -> FrameSource:
    """A still (W, H), a sequence (W, H, T) or (W, H, 1, T) of grey levels 0..255, in the orientation of CAMUS.

    The first two zooms are the (column, row) pixel size in mm. The third zoom of CAMUS is 1 whatever the frame
    rate, so the frame rate is unknown.

    Raises:
        DataError: damaged, not NIfTI, or of another shape.
    """
    try:
        # One open stream: slices that are read in order do not decompress the file again from its start.
        image: Any = nibabel.load(path, keep_file_open=True)
        shape, zooms = image.shape, image.header.get_zooms()
    except _UNREADABLE as error:
        raise _damaged(path, error) from error
    flat = len(shape) in (2, 3) or (len(shape) == 4 and shape[2] == 1)
    if not flat or 0 in shape:
        raise DataError(f"{path} has the shape {shape}; a still (W, H) or a sequence (W, H, T) was expected.")
    count = shape[-1] if len(shape) > 2 else 1
    spacing = (float(zooms[1]), float(zooms[0]))
    return FrameSource(
        path=path,
        frames=lambda: _frames(path, image, count),
        count=count,
        spacing_mm=spacing if min(spacing) > 0 else None,
    )


def _frames(path: Path, image: Any, count: int) -> Iterator[Frame]:
    for t in range(count):
        try:
            values = np.asarray(image.dataobj[..., t] if len(image.shape) > 2 else image.dataobj)
        except _UNREADABLE as error:
            raise _damaged(path, error) from error
        yield _grey(values.reshape(image.shape[:2]).T, path)


def _grey(values: NDArray[np.generic], path: Path) -> Frame:
    # Scaling unknown levels to 0..255 would show the model pictures unlike its training's.
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 255):
        raise DataError(f"{path} holds grey levels from {low:g} to {high:g}; export the clip with levels 0..255.")
    return np.ascontiguousarray(np.rint(values), dtype=np.uint8)


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path} is damaged or not NIfTI ({reason}); restore the file from its source.")
