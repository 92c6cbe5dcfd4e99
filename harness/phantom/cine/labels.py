"""Label maps between the stills: both ends warped to each frame, blended, and freed of islands."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]
Image = NDArray[np.float32]

ISLAND_MM2 = 5.0
"""A component smaller than this is an artefact of the blend (one in five clips has one, of at most 13 pixels)."""

_COUNT = 4


def shares(labels: Labels) -> Image:
    """float32 [H, W, 4]: one-hot, ids 0..3."""
    return np.asarray(np.eye(_COUNT, dtype=np.float32)[labels])


def warped(image: NDArray, at: Image) -> Image:
    """An image [H, W, ...] sampled at pixel positions [2, H, W] (x and y), linearly; beyond the border it goes on as at it."""
    return np.asarray(cv2.remap(image, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def blended(ed: Image, es: Image, weight: float, spacing_mm: tuple[float, float]) -> Labels:
    """uint8 [H, W]: the label of the largest share of ``(1 - weight) ed + weight es``, without islands.

    Blending shares keeps the mask with the picture, which is blended with the same weight; at weight 0 and 1 the result is the
    still's own mask.
    """
    share: Image = np.asarray(cv2.addWeighted(ed, 1 - weight, es, weight, 0), dtype=np.float32)
    labels = share.argmax(axis=-1).astype(np.uint8)
    area = spacing_mm[0] * spacing_mm[1]
    for label in range(1, _COUNT):
        _drop_islands(labels, share, label, ISLAND_MM2 / area)
    return labels


def _drop_islands(labels: Labels, share: Image, label: int, least: float) -> None:
    """Give small components of a label, the largest always excepted, to the second best label of each pixel, in place."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    for part in range(1, count):
        if areas[part - 1] < least and areas[part - 1] < areas.max():
            inside = parts == part
            others = share[inside]
            others[:, label] = -1
            labels[inside] = others.argmax(axis=-1)
