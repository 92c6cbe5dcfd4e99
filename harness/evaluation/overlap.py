"""Overlap of two binary masks: Dice, IoU, precision, recall.

Definitions follow the echocardiography reference metrics v1.1 (wangrui2025/awesome-echocardiography): plain
pixel counts, no smoothing term. Everything is float64; a ratio whose denominator is zero is NaN.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Mask = NDArray[np.bool_]
EmptyStatus = Literal[0, 1, 2]
"""0: both masks have pixels; 1: both are empty; 2: exactly one is empty."""


def binary_pair(prediction: ArrayLike, reference: ArrayLike) -> tuple[Mask, Mask]:
    """Return both masks as bool [H, W].

    Raises:
        ValueError: a mask is not two-dimensional or the shapes differ.
    """
    p, g = np.asarray(prediction), np.asarray(reference)
    if p.ndim != 2 or p.shape != g.shape:
        raise ValueError(f"prediction and reference must be masks of one shape [H, W], got {p.shape} and {g.shape}")
    return p.astype(bool, copy=False), g.astype(bool, copy=False)


def empty_status(prediction: ArrayLike, reference: ArrayLike) -> EmptyStatus:
    """Whether none (0), both (1) or exactly one (2) of the masks is empty."""
    p, g = binary_pair(prediction, reference)
    # Counted, because a mean over cases cannot tell a missed structure from one that is not there.
    filled = int(p.any()) + int(g.any())
    return 0 if filled == 2 else 1 if filled == 0 else 2


def overlap_metrics(prediction: ArrayLike, reference: ArrayLike) -> dict[str, float]:
    """Dice = 2|P∩G|/(|P|+|G|), IoU = |P∩G|/|P∪G|, precision = |P∩G|/|P|, recall = |P∩G|/|G|.

    Args:
        prediction, reference: masks [H, W]; every non-zero pixel is foreground.

    Returns:
        ``dice``, ``iou``, ``precision``, ``recall``, each in [0, 1]. Both masks empty: all NaN. One empty:
        Dice and IoU are 0, the ratio over the empty mask (precision or recall) is NaN.
    """
    p, g = binary_pair(prediction, reference)
    # Python integers: uint8 or int32 sums of large masks would wrap around.
    both, np_, ng = (int(np.count_nonzero(mask)) for mask in (p & g, p, g))
    return {
        "dice": _ratio(2 * both, np_ + ng),
        "iou": _ratio(both, np_ + ng - both),
        "precision": _ratio(both, np_),
        "recall": _ratio(both, ng),
    }


def rowwise_dice(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Mean over the image's rows of the Dice of each row, a row that is empty in both masks counting as 1.

    This is no Dice: it is kept so that a reader can see how a reduction over the wrong axis raises the number
    (it depends on how much empty image surrounds the structure). NaN where both masks are empty.
    """
    p, g = binary_pair(prediction, reference)
    if not p.any() and not g.any():
        return float("nan")
    total = p.sum(axis=1) + g.sum(axis=1)
    # maximum only avoids the warning; where() has decided already.
    rows = np.where(total == 0, 1.0, 2.0 * (p & g).sum(axis=1) / np.maximum(total, 1))
    return float(rows.mean())


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else float("nan")
