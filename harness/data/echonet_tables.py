"""The two tables of EchoNet-Dynamic: the list of videos, and the tracings that its masks are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.findings import shorten
from harness.data.polygon import fill_polygon
from harness.errors import DataError
from harness.stated import stated

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


_MOST = 1_000_000
"""No video has so many frames or pixels a side."""

TRACING_ROWS = 21
"""Rows of one tracing: the long axis and twenty chords."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """One row of ``FileList.csv``; ``name`` has no extension. What the table leaves out is None.

    ``split`` is ``train``, ``val`` or ``test``, or a number: the fold of EchoNet-Pediatric.
    """

    name: str
    split: str
    ef_percent: float | None = None
    frame_rate_hz: float | None = None
    frames: int | None = None


def read_file_list(path: Path) -> dict[str, Video]:
    """Videos by name. Only ``FileName`` and ``Split`` are needed; an empty EF costs this video its EF and nothing more.

    Raises:
        DataError: unreadable, one of these columns is missing, a name occurs twice, a split is unknown, or a value is none that a
            heart or a video has (``harness.stated``).
    """
    table = _read_table(path, ("FileName", "Split"))
    # An empty cell is missing to pandas, and its text would be "nan".
    if (empty := np.flatnonzero(table[["FileName", "Split"]].isna().any(axis=1))).size:
        raise DataError(f"{path}, line {empty[0] + 2}: the FileName or the Split is empty; restore the owners' file.")
    names = table["FileName"].astype(str).str.removesuffix(".avi")
    # The later row would silently win, with another EF or another split.
    if names.duplicated().any():
        raise DataError(f"{path} lists {shorten(names[names.duplicated()])} more than once; keep one row per video.")
    splits = [_split(text) for text in table["Split"].astype(str)]
    if strange := sorted(
        {text for text, split in zip(table["Split"].astype(str), splits, strict=True) if split is None}
    ):
        raise DataError(f"{path} has the unknown split {shorten(strange)}; it must be TRAIN, VAL or TEST.")
    columns = [_optional(path, table, name) for name in ("EF", "FPS", "NumberOfFrames")]
    rows = zip(names, splits, *columns, strict=True)
    return {row[0]: _video(f"{path}, line {line}", *row) for line, row in enumerate(rows, start=2)}


def _video(where: str, name: str, split: str, ef: float | None, rate: float | None, frames: float | None) -> Video:
    length = None if frames is None or frames != int(frames) else int(frames)
    if length is None and frames is not None:
        raise DataError(f"{where}: NumberOfFrames is {frames:g}, which is no whole number; restore the owners' file.")
    stated(
        where,
        {"ef_percent": "EF", "frame_rate_hz": "FPS", "frames": "NumberOfFrames"},
        ef_percent=ef, frame_rate_hz=rate, frames=length,
    )  # fmt: skip
    return Video(name=name, split=split, ef_percent=ef, frame_rate_hz=rate, frames=length)


def _split(text: str) -> str | None:
    """``train``, ``val``, ``test`` or the number of a fold."""
    whole = text.strip().removesuffix(".0")
    return whole if whole.isdigit() else SPLIT_NAMES.get(text.strip().upper())


def _optional(path: Path, table: pd.DataFrame, name: str) -> list[float | None]:
    """A column of numbers, None where it or a value is missing; ``DataError`` for a word or an infinite number."""
    if name not in table:
        return [None] * len(table)
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
    # pandas has read an empty cell, NA and nan as missing; what is still there and no number is a slip.
    if (wrong := np.flatnonzero(~np.isfinite(values) & table[name].notna().to_numpy())).size:
        text = table[name].iloc[wrong[0]]
        raise DataError(
            f"{path}, line {wrong[0] + 2}: {name} is '{text}', which is no number; correct it, or leave it empty."
        )
    return [float(value) if np.isfinite(value) else None for value in values]


def read_tracings(path: Path) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Tracings by video name and frame.

    Float [n, 4] with x1, y1, x2, y2; row 0 is the long axis, the rest chords. EchoNet-Pediatric has points of the outline instead:
    float [n, 2] with x, y; its rows whose frame is a word ("No Systolic") belong to no frame and are left out.

    Raises:
        DataError: unreadable, or a column or value is missing or none that a video has.
    """
    table = _read_table(path, ("FileName", "Frame"))
    points = "X" in table and "X1" not in table
    columns = ["X", "Y"] if points else ["X1", "Y1", "X2", "Y2"]
    _require(path, table, columns)
    frames = pd.to_numeric(table["Frame"], errors="coerce")
    if points:
        table, frames = table[frames.notna()], frames[frames.notna()]
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if not (np.isfinite(numbers).all() and np.isfinite(frames).all()):
        wrong = int(np.flatnonzero(~(np.isfinite(numbers).all(axis=1) & np.isfinite(frames)))[0])
        raise DataError(f"{path} has an empty or non-numeric value in row {wrong + 2}; restore the owners' file.")
    _check_places(path, frames.to_numpy(np.float64), numbers)
    names = table["FileName"].astype(str).str.removesuffix(".avi").to_numpy()
    found: dict[str, dict[int, NDArray[np.float64]]] = {}
    # sort=False keeps the order of the chords, from apex to base: the outline follows it.
    for key, rows in (
        pd.DataFrame({"name": names, "frame": frames.to_numpy()}).groupby(["name", "frame"], sort=False).indices.items()
    ):
        name, frame = str(key[0]), int(key[1])  # type: ignore[index]
        found.setdefault(name, {})[frame] = numbers[rows]
    return found


def _check_places(path: Path, frames: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Refuse frames and points that no video has: -5 would be the fifth frame from the end, 1e30 no pixel at all."""
    whole = (frames == np.rint(frames)) & (frames >= 0) & (frames < _MOST)
    near = (np.abs(points) < _MOST).all(axis=1)
    if (wrong := np.flatnonzero(~(whole & near))).size:
        row = int(wrong[0])
        what = f"the frame {frames[row]:g}" if not whole[row] else "a point far outside any frame"
        raise DataError(f"{path} has {what} in row {row + 2}; restore the owners' file.")


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
    _require(path, table, columns)
    return table


def _require(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    if missing := [column for column in columns if column not in table]:
        raise DataError(f"{path} lacks the column {shorten(missing)}; restore the owners' file.")


def tracing_count(tracing: NDArray[np.float64]) -> int:
    """How many tracings the rows of one frame are: groups of 21 rows; 1 where they do not divide so."""
    count, rest = divmod(len(tracing), TRACING_ROWS)
    return count if tracing.shape[1] == 4 and rest == 0 and count > 1 else 1


def tracing_mask(tracing: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The official mask of one traced frame: bool [H, W].

    The first row (long axis) is dropped; the outline runs along the first ends of the chords and back along the
    second ends, rounded to whole pixels. What lies outside the frame is cut off. Of a frame that was traced several times
    the first tracing is used: all rows in one outline would cross each other and cancel the area that they share.
    Points of an outline (two columns) are the outline.
    """
    if tracing.shape[1] == 2:
        x, y = np.rint(tracing).astype(np.int64).T
        return fill_polygon(y, x, shape)
    first = tracing[:TRACING_ROWS] if tracing_count(tracing) > 1 else tracing
    # Down one side of the ventricle and up the other.
    chords = first[1:]
    x = np.rint(np.concatenate([chords[:, 0], chords[::-1, 2]])).astype(np.int64)
    y = np.rint(np.concatenate([chords[:, 1], chords[::-1, 3]])).astype(np.int64)
    return fill_polygon(y, x, shape)
