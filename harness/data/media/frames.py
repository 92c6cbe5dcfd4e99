"""A clip as a stream of grey frames: the frame, the rectangle of the image in it, and the source that yields it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError
from harness.stated import stated

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

    def alone(self, frame: Frame) -> Frame:
        """A copy of a frame [H, W] that is black outside the rectangle."""
        alone = np.zeros_like(frame)
        self.cut(alone)[...] = self.cut(frame)
        return alone

    def holds(self, other: Region) -> bool:
        """Whether another rectangle lies inside this one."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )

    def __str__(self) -> str:
        """``x,y,width,height``, as ``--crop`` takes it."""
        return f"{self.x},{self.y},{self.width},{self.height}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """An ultrasound image among several in the frames of a file: its rectangle and (row, column) pixel size in mm."""

    region: Region
    spacing_mm: tuple[float, float] | None


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
        pictures: the images to choose from, where the file states several and none is chosen yet.
        study: a key that the clips of one examination share; never written anywhere.
        view: ``2CH`` or ``4CH``, where the file says so.
        instances: the DICOM files that it comes from, one for all frames or one for each; empty for other kinds.
        notes: sentences on what the file states in an unusual way and on what was assumed, some as ``check: sentence``; readers
            add to it while frames are read.
    """

    path: Path
    frames: Callable[[], Iterator[Frame]]
    count: int | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    region: Region | None = None
    pictures: tuple[Picture, ...] = ()
    study: str | None = None
    view: str | None = None
    instances: tuple[Path, ...] = ()
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what no clip has, whichever reader took it from its file."""
        stated(str(self.path), spacing_mm=self.spacing_mm, frame_rate_hz=self.frame_rate_hz, frames=self.count)

    def check_chosen(self) -> None:
        """Raise ``DataError`` where the file holds several images and none is chosen."""
        if self.pictures:
            listing = "; ".join(f"{index}: {picture.region}" for index, picture in enumerate(self.pictures, start=1))
            raise DataError(
                f"{self.path} shows {len(self.pictures)} ultrasound images (x,y,width,height: {listing}); choose one with "
                "--region NUMBER, or a rectangle with --crop."
            )

    @property
    def sentences(self) -> list[str]:
        """The notes for a reader, without the word of the check before them."""
        parts = [note.partition(": ") for note in self.notes]
        return [
            f"{text[:1].upper()}{text[1:]}." if check.islower() and check.isalpha() else note
            for note, (check, _, text) in zip(self.notes, parts, strict=True)
        ]
