"""Reading NIfTI files of the CAMUS layout as uint8 arrays with rows first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.media.levels import to_grey
from harness.data.media.nifti import read_nifti
from harness.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """Pixels uint8 [T, H, W] (T = 1 for a still), the (row, column) spacing in mm, None where the file states none.

    ``notes`` say what was assumed of the file, as ``check: sentence``.
    """

    pixels: NDArray[np.uint8]
    spacing_mm: tuple[float, float] | None
    notes: tuple[str, ...] = ()


def read_frames(path: Path) -> Volume:
    """Grey levels of a still (W, H) or a sequence (W, H, T) on disk, transposed to [T, H, W].

    Raises:
        DataError: missing, damaged, or with grey levels of a scale that is not recognised (``media.levels``).
    """
    values, spacing, _, notes = read_nifti(path)
    pixels, scale = to_grey(values, path)
    return Volume(pixels=pixels, spacing_mm=spacing, notes=(*notes, *([scale.note] if scale.note else [])))


def read_labels(path: Path, labels: tuple[int, ...]) -> Volume:
    """Label ids of a mask file, transposed to [T, H, W].

    Raises:
        DataError: missing, damaged, or with a label that is not one of ``labels``.
    """
    values, spacing, _, notes = read_nifti(path)
    return Volume(pixels=checked_labels(values, path, labels), spacing_mm=spacing, notes=notes)


def checked_labels(values: NDArray[Any], path: Path, labels: tuple[int, ...]) -> NDArray[np.uint8]:
    """Label ids as uint8; ``DataError`` where one is none of ``labels``."""
    strange = [value for value in np.unique(values).tolist() if value not in labels]
    if strange:
        if strange == [255]:
            raise DataError(
                f"{path} holds the label 255, as binary masks saved as pictures do; read the data with --dataset folder and "
                "'lv: 255' in labels.yaml (docs/your-data.md), or restore the original mask."
            )
        shown = ", ".join(f"{value:g}" for value in strange[:5])
        known = ", ".join(map(str, labels))
        raise DataError(f"{path} holds the unknown label {shown} (known: {known}); restore the original mask.")
    return np.ascontiguousarray(values, dtype=np.uint8)


def spacing_notes(volumes: list[Volume]) -> list[str]:
    """A note where the files of one clip state different pixel sizes; the first image's is used."""
    stated = [volume.spacing_mm or (1.0, 1.0) for volume in volumes]
    same = all(np.allclose(spacing, stated[0], rtol=1e-3) for spacing in stated)
    assumed = list(dict.fromkeys(note for volume in volumes for note in volume.notes))
    return (
        assumed
        if same
        else [*assumed, "spacing: images and masks state different pixel sizes, the first image's is used"]
    )
