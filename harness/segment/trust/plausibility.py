"""Is a mask one piece without holes?"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def scattered(mask: NDArray[np.bool_]) -> float:
    """Share of a mask's pixels [H, W] outside its largest connected part; NaN for an empty mask.

    >>> mask = np.zeros((8, 8), bool)
    >>> mask[1:4, 1:4] = mask[6, 6] = True
    >>> round(scattered(mask), 6)
    0.1
    """
    # OpenCV dies of a picture without pixels, which is what is cut close around nothing.
    if not mask.any():
        return math.nan
    count, _, stats, _ = cv2.connectedComponentsWithStats(_close_cut(mask), connectivity=8)
    # Row 0 is the background.
    areas = stats[1:count, cv2.CC_STAT_AREA]
    return float(1 - areas.max() / areas.sum())


def hollow(mask: NDArray[np.bool_]) -> float:
    """Holes of a mask [H, W] as a share of the mask with its holes filled; NaN for an empty mask.

    >>> mask = np.ones((5, 4), bool)
    >>> mask[2, 1] = False
    >>> hollow(mask)
    0.05
    """
    pixels = int(np.count_nonzero(mask))
    if not pixels:
        return math.nan
    # A frame of background around it: whatever that does not reach lies inside the mask.
    outside = np.pad(1 - _close_cut(mask), 1, constant_values=1)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    holes = int(np.count_nonzero(outside)) - int(np.count_nonzero(labels == labels[0, 0]))
    return holes / (pixels + holes)


def _close_cut(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The rectangle around a mask: the ventricle fills a tenth of a frame, and this runs for every frame."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return np.ascontiguousarray(mask[y : y + height, x : x + width]).astype(np.uint8)
