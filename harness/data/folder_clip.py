"""One row of a manifest as a clip: its files joined, the masks' values as label ids, the masks at their frames, the frames of a clip kind."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.clip import Clip, label_ids
from harness.data.findings import shorten
from harness.data.folder_manifest import BACKGROUND, LABELS_FILE, ManifestRow
from harness.data.media.volume import RawVolume, read_volume
from harness.data.order import order_stills
from harness.errors import DataError

LABELLED = "labelled"
"""Clip kind: from the first labelled frame to the last."""


def joined(files: list[tuple[Path, str | None]], *, masks: bool = False) -> RawVolume:
    """The frames of all files of a cell, one after the other."""
    volumes = [read_volume(path, array, masks=masks) for path, array in files]
    first = volumes[0]
    for (path, _), other in zip(files[1:], volumes[1:], strict=True):
        if (other.values.shape[1:], other.spacing_mm) != (first.values.shape[1:], first.spacing_mm):
            raise DataError(
                f"{files[0][0]} and {path} are one clip in the manifest and have another size or pixel size; give them a row each."
            )
    if len(volumes) == 1:
        return first
    return replace(
        first,
        values=np.concatenate([volume.values for volume in volumes]),
        notes=tuple(dict.fromkeys(note for volume in volumes for note in volume.notes)),
    )


def label_masks(stored: RawVolume, path: Path, named: dict[str, tuple[int, ...]]) -> NDArray[np.uint8]:
    """Label ids [T, H, W] of the masks' own values, which ``labels.yaml`` names.

    Raises:
        DataError: a value that it does not name.
    """
    structures = tuple(name for name in named if name != BACKGROUND)
    ids = label_ids(structures)
    table = {value: ids[name] for name in structures for value in named[name]}
    table |= dict.fromkeys((0, *named.get(BACKGROUND, ())), 0)
    labels = np.zeros(stored.values.shape, dtype=np.uint8)
    strange = []
    for value in np.unique(stored.values).tolist():
        if value not in table:
            strange.append(f"{value:g}")
        elif table[value]:
            labels[stored.values == value] = table[value]
    if strange:
        known = ", ".join(f"{name} {'/'.join(map(str, values))}" for name, values in named.items())
        raise DataError(
            f"{path} holds the value {shorten(strange)}, which {LABELS_FILE} does not name (it has: {known}); "
            "add a line for it, or 'background: [0, ...]' where it means nothing."
        )
    return labels


def placed_masks(
    row: ManifestRow, masks: NDArray[np.uint8], shape: tuple[int, ...], path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Masks of every frame (zeros where there is none), and which frames have one.

    Raises:
        DataError: masks of another size or number than the frames, or none at all.
    """
    if masks.shape[1:] != shape[1:]:
        turned = " (it is transposed)" if masks.shape[1:] == shape[:0:-1] else ""
        raise DataError(
            f"{path} has masks of {masks.shape[1]} x {masks.shape[2]} pixels (rows x columns) and its clip has frames of "
            f"{shape[1]} x {shape[2]}{turned}; export both in the same size and orientation."
        )
    count = shape[0]
    chosen = _labelled_frames(row, masks, count, path)
    if len(chosen) and max(chosen) >= count:
        raise DataError(
            f"{row.clip} has {count} frames, but line {row.line} of the manifest labels frame {max(chosen)}."
        )
    labelled = np.zeros(count, dtype=bool)
    labelled[chosen] = True
    if not labelled.any():
        raise DataError(f"{path} holds no mask on any frame; take the row out of the manifest.")
    placed = np.zeros(shape, dtype=np.uint8)
    placed[chosen] = masks[chosen] if len(masks) == count else masks
    return placed, labelled


def _labelled_frames(row: ManifestRow, masks: NDArray[np.uint8], count: int, path: Path) -> NDArray[np.int64]:
    if len(masks) == count:
        if row.labelled is None:
            # Frames without a mask are how most tools say "not drawn"; `all` says that an empty mask is the truth.
            return np.flatnonzero(masks.any(axis=(1, 2)))
        return np.arange(count) if isinstance(row.labelled, str) else np.array(row.labelled, dtype=np.int64)
    stated = row.labelled if isinstance(row.labelled, tuple) else tuple(f for f in (row.ed, row.es) if f is not None)
    # Two masks of a clip in which ES comes first could be meant in either order.
    if len(stated) == len(masks) and list(stated) == sorted(set(stated)):
        return np.array(stated, dtype=np.int64)
    raise DataError(
        f"{path} holds {len(masks)} masks and its clip has {count} frames; say in the column 'labelled' which frames "
        "they belong to, in rising order and counted from 0, such as '0 9'."
    )


def cut(clip: Clip, kind: str, structures: Collection[str]) -> Clip:
    """The frames of one clip kind, and a note where ED and ES look exchanged; ``DataError`` where the kind needs ED and ES and there are none."""
    if kind != LABELLED and (clip.ed is None or clip.es is None):
        raise DataError(
            f"{clip.source} has no ED and ES in the manifest; fill the columns ed and es, or use --clip {LABELLED}."
        )
    if kind == "ed_es":
        chosen = np.array([clip.ed, clip.es])
    else:
        ends = [frame for frame in (clip.ed, clip.es) if frame is not None]
        ends += np.flatnonzero(clip.labelled).tolist() if kind == LABELLED else []
        # Frames before the first and after the last labelled one are cut off: nothing could be scored on them.
        chosen = np.arange(min(ends), max(ends) + 1)
    place = {int(frame): index for index, frame in enumerate(chosen)}
    clip.frames, clip.masks = clip.frames[chosen], clip.masks[chosen]
    clip.labelled, clip.interpolated = clip.labelled[chosen], clip.interpolated[chosen]
    clip.ed, clip.es = (None if frame is None else place.get(frame) for frame in (clip.ed, clip.es))
    if clip.ed is not None and clip.es is not None and "lv" in structures and clip.labelled[[clip.ed, clip.es]].all():
        # ES larger than ED: columns of the manifest were most likely exchanged, which every EF would inherit.
        clip.notes += order_stills(clip.masks[[clip.ed, clip.es]])
    return clip
