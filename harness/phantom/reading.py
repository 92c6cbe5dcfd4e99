"""Reading single files of the CAMUS layout for measuring; the dataset's own loader checks and joins them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_pixels(path: Path) -> tuple[NDArray[np.float32], float]:
    """Pixels as [H, W] or [T, H, W] and the pixel size in mm."""
    import nibabel  # here: it loads pydicom, and most commands read no NIfTI

    image = nibabel.Nifti1Image.from_filename(path)
    return np.ascontiguousarray(np.asarray(image.dataobj, np.float32).T), float(image.header.get_zooms()[0])


def read_info(path: Path) -> dict[str, str]:
    """Keys and values of an ``Info_*.cfg``; empty where there is no such file."""
    if not path.is_file():
        return {}
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs if value}
