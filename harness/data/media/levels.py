"""Grey levels of any scale as 0..255: one rule for every reader, which recognises the scale or refuses, and never guesses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

_LEVELS = 255
_TWELVE_BITS = 4095
_FEWEST = 16
"""A fractional maximum below this is neither 0..1 nor 0..255: rounding would leave a handful of levels."""


@dataclass(frozen=True, slots=True)
class GreyScale:
    """How stored values become 0..255: times ``factor``, and what a reader has to know of it (None: nothing was changed)."""

    factor: float
    note: str | None = None


def grey_scale(values: NDArray[Any], where: Path | str) -> GreyScale:
    """The scale of some grey values, which must all be of one clip.

    Whole numbers 0..255 stay as they are in whatever type they are stored; fractions 0..1 are multiplied by 255; fractions up to
    255 are rounded; unsigned 16-bit values above 4095 fill their 16 bits and are divided by 256.

    Raises:
        DataError: z-scored or otherwise negative values, NaN, a mask (nothing but 0 and 1), twelve-bit values: any choice of a
            scale would be a guess.
    """
    if values.dtype == bool or not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise DataError(f"{where} holds values of type {values.dtype} instead of grey levels; export them as 0..255.")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{where} holds grey levels that are no numbers (NaN or infinite); export them as 0..255.")
    if low < 0:
        raise DataError(f"{where} holds grey levels below 0, as z-scored pictures do; export them as 0..255.")
    return _of_range(values, high, where)


def _of_range(values: NDArray[Any], high: float, where: Path | str) -> GreyScale:
    whole = bool(np.issubdtype(values.dtype, np.integer)) or bool((values == np.rint(values)).all())
    if high <= 1 and not whole:
        return GreyScale(_LEVELS, "levels: grey levels 0..1 were multiplied by 255")
    # A black frame has only zeros; ones beside them are a mask that was taken for a picture.
    if whole and high == 1:
        raise _as_a_mask(where)
    if high <= _LEVELS and whole:
        return GreyScale(1.0)
    if _FEWEST <= high <= _LEVELS:
        return GreyScale(1.0, "levels: fractional grey levels were rounded")
    if whole and values.dtype.kind == "u" and high > _TWELVE_BITS:
        return GreyScale(1 / 256, "levels: 16-bit grey levels were divided by 256")
    raise DataError(
        f"{where} holds grey levels up to {high:.6g}, which is neither 0..1 nor 0..255 nor full 16 bits; "
        "export them as 0..255."
    )


def to_grey(values: NDArray[Any], where: Path | str) -> tuple[NDArray[np.uint8], GreyScale]:
    """A whole clip [T, H, W] as uint8, and the scale that it was stored in; see ``grey_scale``."""
    scale = grey_scale(values, where)
    return _apply(values, scale, where), scale


def _apply(values: NDArray[Any], scale: GreyScale, where: Path | str) -> NDArray[np.uint8]:
    if scale.factor == 1.0 and values.dtype == np.uint8:
        return np.ascontiguousarray(values, dtype=np.uint8)
    # Division truncates, as OpenCV does when it makes 8 bits of 16.
    levels = np.floor(values * scale.factor) if scale.factor < 1 else np.rint(values * scale.factor)
    if levels.size and not (levels.min() >= 0 and levels.max() <= _LEVELS):
        raise DataError(f"{where} changes the scale of its grey levels from frame to frame; export them as 0..255.")
    return np.ascontiguousarray(levels, dtype=np.uint8)


class FrameLevels:
    """The frames of one clip, as they come, in the scale that the first frame with a picture shows.

    ``end`` has to be called after the last one: a clip that never shows more than 0 and 1 is a mask.

    Args:
        where: file that messages name.
        notes: receives what a reader has to know, once.
    """

    def __init__(self, where: Path | str, notes: list[str]) -> None:
        self.where, self.notes = where, notes
        self._scale: GreyScale | None = None
        self._ones = False

    def __call__(self, frame: NDArray[Any]) -> NDArray[np.uint8]:
        """uint8 [H, W] of one frame; ``DataError`` where it does not fit the scale of those before it."""
        if self._scale is None or (self._scale.factor == 1.0 and frame.dtype != np.uint8):
            # Nothing can be learnt from a frame that is black but for noise in the last bit: the next one decides.
            whole = frame.dtype.kind in "ui"
            if not frame.any() or (whole and frame.min() >= 0 and frame.max() <= 1):
                self._ones = self._ones or bool(frame.any())
                return np.ascontiguousarray(frame, dtype=np.uint8)
            scale = grey_scale(frame, self.where)
            if self._scale is not None and scale.factor != self._scale.factor:
                raise DataError(
                    f"{self.where} changes the scale of its grey levels from frame to frame; export them as 0..255."
                )
            self._scale = scale
            if scale.note and scale.note not in self.notes:
                self.notes.append(scale.note)
        return _apply(frame, self._scale, self.where)

    def end(self) -> None:
        """Raise ``DataError`` where no frame showed anything but 0 and 1, and some did show ones."""
        if self._scale is None and self._ones:
            raise _as_a_mask(self.where)


def _as_a_mask(where: Path | str) -> DataError:
    return DataError(f"{where} holds nothing but 0 and 1, as a mask does; give the picture with grey levels 0..255.")


def luma(values: NDArray[Any], where: Path | str) -> NDArray[Any]:
    """Grey values of RGB(A) values [..., 3 or 4] by the BT.601 luma, in their own scale."""
    if values.shape[-1] not in (3, 4):
        raise DataError(f"{where} holds {values.shape[-1]} colour channels; grey or RGB was expected.")
    colour = values[..., :3]
    if colour.dtype == np.uint8:
        rows = np.ascontiguousarray(colour).reshape(-1, colour.shape[-2], 3)
        # The same conversion as for video: OpenCV's fixed-point luma.
        return np.asarray(cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY)).reshape(colour.shape[:-1])
    return np.asarray(colour @ np.array([0.299, 0.587, 0.114]))
