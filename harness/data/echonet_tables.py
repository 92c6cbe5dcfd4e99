"""The two tables of EchoNet-Dynamic: the list of videos, and the tracings that its masks are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.findings import shorten
from harness.data.polygon import fill_polygon
from harness.errors import DataError

SPLIT_NAMES = {"TRAIN": "train", "VAL": "val", "TEST": "test"}
LIST_COLUMNS = ("FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split")
TRACING_COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")

WITHOUT_TRACINGS = frozenset(
    {
        "0X5DD5283AC43CCDD1", "0X234005774F4CB5CD", "0X2DC68261CBCC04AE",
        "0X35291BE9AB90FB89", "0X6C435C1B417FDE8A", "0X5515B0BD077BE68A",
    }
)  # fmt: skip
"""Videos that the owners list but neither traced nor reduced to 112 px; they are left out by everyone."""

TRACINGS_WITHOUT_VIDEO = frozenset({"0X4F8859C8AB4DA9CB"})
"""Traced, but not in the list of videos."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """One row of ``FileList.csv``; ``name`` has no extension."""

    name: str
    split: str
    ef_percent: float
    frame_rate_hz: float
    frames: int


def read_file_list(path: Path) -> dict[str, Video]:
    """Videos by name.

    Raises:
        DataError: unreadable, a column or value is missing, a name occurs twice, or a split is unknown.
    """
    table = _read_table(path, LIST_COLUMNS)
    names = table["FileName"].astype(str).str.removesuffix(".avi")
    # The later row would silently win, with another EF or another split.
    if names.duplicated().any():
        raise DataError(f"{path} lists {shorten(names[names.duplicated()])} more than once; keep one row per video.")
    splits = table["Split"].astype(str).str.upper().map(SPLIT_NAMES)
    if splits.isna().any():
        strange = shorten(sorted(set(table.loc[splits.isna(), "Split"].astype(str))))
        raise DataError(f"{path} has the unknown split {strange}; it must be TRAIN, VAL or TEST.")
    columns = (names, splits, table["EF"], table["FPS"], table["NumberOfFrames"])
    return {
        name: Video(name=name, split=split, ef_percent=float(ef), frame_rate_hz=float(rate), frames=int(frames))
        for name, split, ef, rate, frames in zip(*columns, strict=True)
    }


def read_tracings(path: Path) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Tracings by video name and frame: float [n, 4] with x1, y1, x2, y2; row 0 is the long axis, the rest chords.

    Raises:
        DataError: unreadable, or a column or value is missing.
    """
    table = _read_table(path, TRACING_COLUMNS)
    names = table["FileName"].astype(str).str.removesuffix(".avi").to_numpy()
    values = table[["X1", "Y1", "X2", "Y2"]].to_numpy(np.float64)
    found: dict[str, dict[int, NDArray[np.float64]]] = {}
    # sort=False keeps the order of the chords, from apex to base: the outline follows it.
    for key, rows in table.groupby([names, "Frame"], sort=False).indices.items():
        name, frame = str(key[0]), int(key[1])  # type: ignore[index]
        found.setdefault(name, {})[frame] = values[rows]
    return found


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        # As text: a name of digits alone would lose its leading zeros.
        table = pd.read_csv(path, dtype={"FileName": str})
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist; an EchoNet-Dynamic root holds FileList.csv and VolumeTracings.csv."
        ) from error
    except (OSError, ValueError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is not a readable table ({reason}); restore the file.") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise DataError(f"{path} lacks the column {shorten(missing)}; restore the owners' file.")
    numeric = [column for column in columns if column not in ("FileName", "Split")]
    # coerce turns words into NaN, which the next line names in a sentence.
    numbers = table[numeric].apply(pd.to_numeric, errors="coerce")
    if not np.isfinite(numbers.to_numpy(np.float64)).all():
        raise DataError(f"{path} has empty or non-numeric values in {shorten(numeric)}; restore the owners' file.")
    table[numeric] = numbers
    return table


def tracing_mask(tracing: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The official mask of one traced frame: bool [H, W].

    The first row (long axis) is dropped; the outline runs along the first ends of the chords and back along the
    second ends, rounded to whole pixels. What lies outside the frame is cut off.
    """
    # Down one side of the ventricle and up the other.
    chords = tracing[1:]
    x = np.rint(np.concatenate([chords[:, 0], chords[::-1, 2]])).astype(np.int64)
    y = np.rint(np.concatenate([chords[:, 1], chords[::-1, 3]])).astype(np.int64)
    return fill_polygon(y, x, shape)
