"""What a file or a user states about a clip, in the range that an echocardiogram can have: typed once, for every reader.

A value outside its range is refused by ``stated``, whoever stated it. Headers of pictures are the exception: programs fill in
a pixel size that nobody measured, so that ``spacing_of_header`` takes one that cannot be meant as unknown, with a note.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from harness.errors import ConfigError, DataError
from harness.schema import LARGEST_FRAME, Schema

SMALLEST_MM, LARGEST_MM = 0.01, 10.0
"""Pixels of an echocardiogram are tenths of a millimetre; a header beyond this range has another unit, or none."""

Millimetres = Annotated[float, Field(gt=1e-4, le=50)]
"""Side of a pixel that somebody states on purpose; wider than a header's range, because a person may mean it, but 308 are micrometres."""
FrameNumber = Annotated[int, Field(ge=0, le=1_000_000)]
Millilitres = Annotated[float, Field(ge=0, le=10_000)]


class Stated(Schema):
    """Values of a clip; None where nothing is stated.

    Attributes:
        ef_percent: ejection fraction, 0 to 100.
        edv_ml, esv_ml: volumes.
        frame_rate_hz: above 0; ultrafast scanners reach some thousands.
        frames: length of the clip.
        ed, es: frame numbers; whether they count from 0 or 1 is the reader's.
        spacing_mm: (row, column) pixel size.
        age: in years.
    """

    ef_percent: float | None = Field(None, ge=0, le=100)
    edv_ml: Millilitres | None = None
    esv_ml: Millilitres | None = None
    frame_rate_hz: float | None = Field(None, gt=0, le=10_000)
    frames: int | None = Field(None, ge=1, le=1_000_000)
    ed: FrameNumber | None = None
    es: FrameNumber | None = None
    spacing_mm: tuple[Millimetres, Millimetres] | None = None
    age: int | None = Field(None, ge=0, le=150)


def stated(where: str, names: Mapping[str, str] | None = None, **values: Any) -> Stated:
    """The values as a checked record.

    Args:
        where: file, row or clip that says so; begins the sentence. Empty where the caller's sentence names it.
        names: field → what the file calls it, where that is another word.
        values: fields of ``Stated``; None where nothing is stated.

    Raises:
        DataError: a value is out of its range, no number, or infinite.

    >>> stated("list.csv, line 2", ef_percent=55.0).ef_percent
    55.0
    >>> stated("list.csv, line 2", {"ef_percent": "EF"}, ef_percent=9999.0)
    Traceback (most recent call last):
    harness.errors.DataError: list.csv, line 2: EF must be 100 or less, got 9999.0; correct it, or leave it out where it is not known.
    """
    said = f"{where}: " if where else ""
    try:
        read = Stated.read(values, "stated")
    except ConfigError as error:
        sentence = str(error).removeprefix("Stated's ").removesuffix(".")
        field, must, rest = sentence.partition(" must")
        sentence = f"{(names or {}).get(field, field)}{must}{rest}"
        raise DataError(f"{said}{sentence}; correct it, or leave it out where it is not known.") from None
    # No living heart ejects one percent: 0.55 is a fraction, and every error of EF would be near the EF itself.
    if read.ef_percent is not None and 0 < read.ef_percent <= 1:
        name = (names or {}).get("ef_percent", "ef_percent")
        raise DataError(
            f"{said}{name} must be in percent, got {read.ef_percent:g}; write {100 * read.ef_percent:g} where that is a fraction."
        )
    return read


def spacing_of_header(row_mm: float, column_mm: float) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(row, column) in mm as a picture's header states them, None where they cannot be meant, and a note on that.

    Exactly 1 x 1 is what a header says that nobody has filled in; it counts as unknown, as do 0, NaN, infinity, negative
    sizes and sizes that no echocardiogram has.

    >>> spacing_of_header(0.308, 0.154)
    ((0.308, 0.154), ())
    >>> spacing_of_header(0.0, 0.154)[0] is None
    True
    """
    if (row_mm, column_mm) == (1.0, 1.0):
        return None, (
            "spacing: the header says 1 x 1, as if nobody had filled it in; the pixel size counts as unknown",
        )
    if not (is_pixel_size(row_mm) and is_pixel_size(column_mm)):
        text = f"the header's pixel size {row_mm:.4g} x {column_mm:.4g} mm cannot be meant and counts as unknown"
        return None, (f"spacing: {text}",)
    return (row_mm, column_mm), ()


def is_pixel_size(side_mm: float) -> bool:
    """Whether a header's number can be the side of a pixel: neither 0, NaN nor infinite, and of an echocardiogram's size."""
    return math.isfinite(side_mm) and SMALLEST_MM <= side_mm <= LARGEST_MM


def refuse_large(path: object, height: int, width: int) -> None:
    """Raise ``DataError`` for frames beyond ``LARGEST_FRAME``: asked by every reader before memory is taken for a frame.

    >>> refuse_large("a.nii", 1080, 1920)
    """
    if height * width > LARGEST_FRAME:
        raise DataError(
            f"{path} claims frames of {width} x {height} pixels, and no more than {LARGEST_FRAME:,} pixels are read; restore the file, "
            "or make its frames smaller."
        )


def rate_of_header(rate_hz: float) -> float | None:
    """Frames per second as a header states them; None for 0, NaN and rates that no clip has: headers leave it unset."""
    return float(rate_hz) if math.isfinite(rate_hz) and 0 < rate_hz <= 10_000 else None
