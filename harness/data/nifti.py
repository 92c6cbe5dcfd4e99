"""Reading NIfTI files of the CAMUS layout as uint8 arrays with rows first."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from harness.errors import DataError

_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, WrapStructError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """Pixels uint8 [T, H, W] (T = 1 for a still) and the (row, column) spacing in mm."""

    pixels: NDArray[np.uint8]
    spacing_mm: tuple[float, float]


def read_frames(path: Path) -> Volume:
    """Grey levels of a still (W, H) or a sequence (W, H, T) on disk, transposed to [T, H, W].

    Raises:
        DataError: missing, damaged, or not made of whole grey levels 0..255.
    """
    array, spacing = _read(path)
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):
        raise DataError(f"{path} holds grey levels from {low:g} to {high:g} instead of 0..255; restore the original.")
    return Volume(pixels=_whole(array, path, "grey levels"), spacing_mm=spacing)


def read_labels(path: Path, labels: tuple[int, ...]) -> Volume:
    """Label ids of a mask file, transposed to [T, H, W].

    Raises:
        DataError: missing, damaged, or with a label that is not one of ``labels``.
    """
    array, spacing = _read(path)
    found = np.unique(array)
    strange = [value for value in found.tolist() if value not in labels]
    if strange:
        shown = ", ".join(f"{value:g}" for value in strange[:5])
        known = ", ".join(map(str, labels))
        raise DataError(f"{path} holds the unknown label {shown} (known: {known}); restore the original mask.")
    return Volume(pixels=_whole(array, path, "labels"), spacing_mm=spacing)


def _read(path: Path) -> tuple[NDArray[np.generic], tuple[float, float]]:
    """Array [T, H, W] and (row, column) spacing; the gzip checksum is verified over the whole file."""
    try:
        content = path.read_bytes()
        # Decompressed whole, because only then gzip compares its CRC with the content.
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(content) if path.suffix == ".gz" else content)
        array = np.asarray(image.dataobj)
        zooms = image.header.get_zooms()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; restore the file.") from error
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is damaged or not NIfTI ({reason}); restore the file from its source.") from error
    if array.ndim not in (2, 3) or array.size == 0:
        raise DataError(f"{path} has shape {array.shape}; a still (W, H) or a sequence (W, H, T) was expected.")
    # A still is a sequence of one frame.
    array = array[..., None] if array.ndim == 2 else array
    # Transposed, never rotated: CAMUS stores columns first, and the apex then is up.
    return array.transpose(2, 1, 0), (float(zooms[1]), float(zooms[0]))


def _whole(array: NDArray[np.generic], path: Path, what: str) -> NDArray[np.uint8]:
    values = np.ascontiguousarray(array).astype(np.uint8)
    # Masks that were resized by someone else hold 0.5 and the like; rounding them would hide it.
    if not np.array_equal(values, array):
        raise DataError(f"{path} holds {what} that are not whole numbers; restore the original file.")
    return values
