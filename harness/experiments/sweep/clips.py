"""Prepared clips as the sweep, the calibration and the gallery see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.data import PreparedCache, PreparedClip, PreparedSplit, resample_indices
from harness.data.prepared import MANIFEST
from harness.errors import DataError
from harness.store.runs import RunSpec


def pixel_aspect(clip: PreparedClip) -> float:
    """Width of a pixel of the model's square frames divided by its height.

    Native pixels count with their spacing; without a spacing they are taken as square.
    """
    height, width = clip.native_size
    row_mm, column_mm = clip.spacing_mm or (1.0, 1.0)
    # Frames are squeezed to a square; a sector of 74 degrees would be another one without this.
    return (width * column_mm) / (height * row_mm)


def model_frames(clip: PreparedClip, length: int | None) -> Tensor:
    """Float frames [T, S, S] in [0, 1], resampled in time as the models see them (None: all frames)."""
    chosen = resample_indices(len(clip), length)
    return torch.from_numpy(np.ascontiguousarray(clip.frames[chosen])).to(torch.float32).div_(255)


def spread_clips(split: PreparedSplit, count: int) -> Iterator[PreparedClip]:
    """``count`` clips of a split, evenly spread over its cases (all of them where there are fewer)."""
    return (split.clip(int(index)) for index in np.unique(resample_indices(len(split), min(count, len(split)))))


def prepared_of(spec: RunSpec, data_dir: Path, prepared: Path | None = None) -> PreparedCache:
    """The prepared data that a run was made with, by its fingerprint: a given folder, or the one below ``data_dir``.

    Raises:
        DataError: there is none, or the given folder holds other data.
    """
    wanted = (spec.data.get("fingerprint"), spec.data.get("image_size"))
    if prepared is not None:
        cache = PreparedCache.open(prepared)
        if (cache.fingerprint, cache.image_size) != wanted:
            raise DataError(f"The prepared folder {prepared} does not hold the data of the run ({_words(spec)}).")
        return cache
    unreadable = []
    # By fingerprint and not by name: the folder may have been renamed or copied from another machine.
    for manifest in sorted((data_dir / "cache").glob(f"*/{MANIFEST}")):
        try:
            cache = PreparedCache.open(manifest.parent)
        except DataError:
            unreadable.append(manifest.parent.name)
            continue
        if (cache.fingerprint, cache.image_size) == wanted:
            return cache
    skipped = f" ({', '.join(unreadable)} cannot be opened: damaged, or of another version)" if unreadable else ""
    raise DataError(
        f"There is no prepared data of the run below {data_dir / 'cache'} ({_words(spec)}){skipped}; "
        "make it with `echobench data prepare` or give its folder with --prepared."
    )


def _words(spec: RunSpec) -> str:
    data = spec.data
    return f"{data['dataset']}, {data.get('image_size', '?')} px, fingerprint {str(data.get('fingerprint'))[:10]}"
