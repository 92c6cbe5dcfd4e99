"""A clip as a stream of grey frames: the frame, the rectangle of the image in it, and the source that yields it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

Frame = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A rectangle of the picture in pixels: left edge, upper edge, width, height."""

    x: int
    y: int
    width: int
    height: int

    def check(self, size: tuple[int, int]) -> None:
        """Raise ``DataError`` where the rectangle is empty or reaches outside a frame of ``size`` (H, W)."""
        # numpy would cut a slice that reaches outside without a word.
        right, bottom = self.x + self.width, self.y + self.height
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1 or right > size[1] or bottom > size[0]:
            raise DataError(
                f"The rectangle x={self.x}, y={self.y}, width={self.width}, height={self.height} does not lie inside "
                f"the frames of {size[1]} x {size[0]} pixels (width x height); choose one that does."
            )

    def cut(self, frame: Frame) -> Frame:
        """The part of a frame [H, W] inside the rectangle."""
        return frame[self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameSource:
    """A clip that is opened, not loaded.

    Attributes:
        path: where it lies.
        frames: starts a new pass over the frames, each uint8 [H, W] grey levels; one frame is in memory at a time.
        count: number of frames, None where the file does not say.
        spacing_mm: (row, column) pixel size, None where unknown.
        frame_rate_hz: None where unknown.
        region: the part of the frame that holds the ultrasound image, where the file says so.
    """

    path: Path
    frames: Callable[[], Iterator[Frame]]
    count: int | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    region: Region | None = None
