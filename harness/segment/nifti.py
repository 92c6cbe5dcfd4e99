"""Masks written as NIfTI in the layout of CAMUS."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.files import atomic_file

_LARGEST_NIFTI1 = 32767


def write_masks(path: Path, masks: NDArray[np.uint8], spacing_mm: tuple[float, float] | None) -> None:
    """Write label ids [T, H, W] as a gzipped NIfTI (W, H, T), atomically and slice by slice.

    The first two zooms are the (column, row) spacing in mm, 1 where it is unknown (units then "unknown"); the third
    is 1, as in CAMUS. More than 32767 frames do not fit NIfTI-1 and are written as NIfTI-2.
    """
    import nibabel  # here: it loads pydicom, and most commands read no NIfTI

    # NIfTI-1 counts its axes in 16 bits with sign.
    kind = nibabel.Nifti1Image if len(masks) <= _LARGEST_NIFTI1 else nibabel.Nifti2Image
    row, column = spacing_mm or (1.0, 1.0)
    # Axes (W, H, T) of a C-ordered [T, H, W] array are the same bytes: nothing is copied.
    image = kind(masks.transpose(2, 1, 0), np.diag([-column, -row, 1.0, 1.0]))
    image.header.set_xyzt_units("mm" if spacing_mm else "unknown", "unknown")
    # mtime=0: gzip writes the time into its header, and the same masks would differ.
    with atomic_file(path) as stream, gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0) as packed:
        image.to_stream(packed)
