"""What is kept of a clip while it streams by: a few numbers per frame, and a few frames as the model saw them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data.media.frames import Frame, Region
from harness.segment.trust.plausibility import hollow, scattered

KEPT = 8
"""At most twice so many frames are kept: for the grey levels, and for asking the model again."""


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame as the model saw it, uint8 [S, S], and the LV in it, bool [S, S]."""

    picture: NDArray[np.uint8]
    lv: NDArray[np.bool_]


@dataclass(slots=True)
class Observer:
    """Takes the frames of a clip in order; memory does not grow with the clip.

    Attributes:
        region: the rectangle that was segmented.
        areas: LV pixels as a share of the rectangle, per frame.
        scattered, hollow: see ``plausibility``, per frame with an LV.
        kept: frames evenly spread over the clip so far.
        brightest: uint8 [S, S], each pixel's largest grey level so far: the sector is what is ever brighter than black.
    """

    region: Region
    areas: list[float] = field(default_factory=list)
    scattered: list[float] = field(default_factory=list)
    hollow: list[float] = field(default_factory=list)
    kept: list[KeptFrame] = field(default_factory=list)
    brightest: NDArray[np.uint8] | None = None
    _stride: int = 1

    def take(self, labels: Frame, picture: NDArray[np.uint8]) -> None:
        """Take the next frame's label map [H, W], and the frame as the model saw it, uint8 [S, S]."""
        lv = self.region.cut(labels) == LABELS["lv"]
        index = len(self.areas)
        self.areas.append(float(lv.mean()))
        if self.areas[-1]:
            self.scattered.append(scattered(lv))
            self.hollow.append(hollow(lv))
        self.brightest = picture.copy() if self.brightest is None else np.maximum(self.brightest, picture)
        if index % self._stride == 0:
            small = cv2.resize(lv.astype(np.uint8), picture.shape[::-1], interpolation=cv2.INTER_NEAREST)
            self.kept.append(KeptFrame(picture, small.astype(bool)))
            # How long the clip is shows at its end only: every second frame goes, and from now on fewer come.
            if len(self.kept) > 2 * KEPT:
                self.kept, self._stride = self.kept[::2], 2 * self._stride

    @property
    def missing(self) -> float:
        """Share of frames without an LV; NaN without frames."""
        return float(np.mean(np.array(self.areas) == 0)) if self.areas else math.nan
