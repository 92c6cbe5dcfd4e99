"""Writing videos and masks in the layout of EchoNet-Dynamic, whose own files may not be passed on."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.echonet_tables import LIST_COLUMNS, SPLIT_NAMES, TRACING_COLUMNS
from harness.data.video import write_avi
from harness.errors import DataError

_CHORDS = 20


@dataclass(kw_only=True, slots=True)
class EchoNetVideo:
    """One video to write: frames uint8 [T, H, W], LV masks [H, W] (non-zero is inside) by frame index."""

    name: str
    split: str
    frames: NDArray[np.uint8]
    masks: dict[int, NDArray[np.generic]]
    ef_percent: float
    edv_ml: float
    esv_ml: float
    frame_rate_hz: float = 50.0


def write_echonet(root: str | Path, videos: Iterable[EchoNetVideo]) -> Path:
    """Write ``FileList.csv``, ``VolumeTracings.csv`` and ``Videos/`` below ``root``; frames are stored lossily.

    Raises:
        DataError: the root exists and is not empty, or a mask has no pixels.
    """
    root = Path(root)
    if root.exists() and any(root.iterdir()):
        raise DataError(f"{root} is not empty; choose another folder for the EchoNet layout.")
    (root / "Videos").mkdir(parents=True)
    split_codes = {split: code for code, split in SPLIT_NAMES.items()}
    with (
        open(root / "FileList.csv", "w", newline="") as listing,
        open(root / "VolumeTracings.csv", "w", newline="") as tracing,
    ):
        rows, chords = csv.writer(listing), csv.writer(tracing)
        rows.writerow(LIST_COLUMNS)
        chords.writerow(TRACING_COLUMNS)
        for video in videos:
            count, height, width = video.frames.shape
            write_avi(root / "Videos" / f"{video.name}.avi", video.frames, video.frame_rate_hz)
            volumes = (video.ef_percent, video.esv_ml, video.edv_ml)
            rows.writerow([video.name, *volumes, height, width, video.frame_rate_hz, count, split_codes[video.split]])
            for frame, mask in video.masks.items():
                for values in trace_mask(np.asarray(mask) > 0).round(4).tolist():
                    chords.writerow([f"{video.name}.avi", *values, frame])
    return root


def trace_mask(mask: NDArray[np.bool_], chords: int = _CHORDS) -> NDArray[np.float64]:
    """[1 + chords, 4] rows of x1, y1, x2, y2: the long axis, then chords across it from its top to its bottom.

    The axis is the mask's first principal direction; each chord spans the mask's extent in a slice of the axis.
    Tracing a convex mask and filling the result gives the mask back but for its rim.

    Raises:
        DataError: the mask is empty.
    """
    # EchoNet's tracings are (x, y); arrays are indexed (row, column).
    points = np.argwhere(mask)[:, ::-1].astype(np.float64)  # x, y
    if len(points) == 0:
        raise DataError("A mask without pixels cannot be traced; leave that frame out.")
    centre = points.mean(axis=0)
    axis = np.linalg.svd(points - centre, full_matrices=False)[2][0] if len(points) > 1 else np.array([0.0, 1.0])
    # A principal direction has no sign; the files go from top to bottom.
    axis = axis if axis[1] >= 0 else -axis
    across = np.array([-axis[1], axis[0]])
    along, side = (points - centre) @ axis, (points - centre) @ across
    levels = np.linspace(along.min(), along.max(), chords)
    # At least three quarters of a pixel: thinner slices of a small mask may hold no pixel at all.
    reach = max((levels[-1] - levels[0]) / (2 * (chords - 1)), 0.75)
    near = [side[np.abs(along - level) <= reach] for level in levels]
    spans = np.array([(values.min(), values.max()) if len(values) else (0.0, 0.0) for values in near])
    middle = centre + levels[:, None] * axis
    rows = np.hstack([middle + spans[:, :1] * across, middle + spans[:, 1:] * across])
    long_axis = np.concatenate([middle[0], middle[-1]])
    return np.vstack([long_axis, rows])
