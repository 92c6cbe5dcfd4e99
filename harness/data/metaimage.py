"""Reading the MetaImage files of the old CAMUS release as uint8 arrays with rows first."""

from __future__ import annotations

from pathlib import Path

from harness.data.media.levels import to_grey
from harness.data.media.metaimage import read_metaimage_values
from harness.data.nifti import Volume, checked_labels


def read_metaimage(path: Path, labels: tuple[int, ...] | None = None) -> Volume:
    """Pixels uint8 [T, H, W] and (row, column) spacing in mm; with ``labels`` every value must be one of them.

    Raises:
        DataError: missing, of an unknown type, of the wrong length, with an unknown label or grey scale.
    """
    values, spacing, _, notes = read_metaimage_values(path)
    if labels is not None:
        return Volume(pixels=checked_labels(values, path, labels), spacing_mm=spacing, notes=notes)
    pixels, scale = to_grey(values, path)
    return Volume(pixels=pixels, spacing_mm=spacing, notes=(*notes, *([scale.note] if scale.note else [])))
