"""What a picture's grey levels are like, in eight numbers, and how far they are from those of other pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BLACK = 3
"""Grey level up to which a pixel counts as outside of the sector, as in ``harness.perturbations.sector``."""
FEATURES = ("mean", "sd", "dark", "middle", "bright", "lit", "sharpness", "grain")
_FEWEST = 16
"""Fewer lit pixels have no statistics."""


def picture_features(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[len(FEATURES)] of a frame [S, S] as the model sees it; NaN where nearly all of it is black.

    ``dark``, ``middle`` and ``bright`` are the 10th, 50th and 95th percentiles and ``lit`` the share of the pixels above
    ``BLACK``; ``sharpness`` is the mean step between neighbours and ``grain`` what a 3 x 3 mean takes away, both divided by the SD.
    """
    lit = frame > BLACK
    if np.count_nonzero(lit) < _FEWEST:
        return np.full(len(FEATURES), np.nan)
    values = frame.astype(np.float64)
    inside = values[lit]
    spread = max(float(inside.std()), 1.0)
    # Steps between lit neighbours alone: the sector's edge is the sharpest one in every picture.
    both = lit[:, 1:] & lit[:, :-1]
    steps = np.abs(np.diff(values, axis=1))[both]
    inner = cv2.erode(lit.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    grain = np.abs(values - cv2.blur(values, (3, 3)))[inner]
    dark, middle, bright = np.percentile(inside, [10, 50, 95])
    return np.array(
        [
            inside.mean(), spread, dark, middle, bright, lit.mean(),
            (steps.mean() if len(steps) else 0.0) / spread, (grain.mean() if len(grain) else 0.0) / spread,
        ]
    )  # fmt: skip


def distance(features: NDArray[np.float64], mean: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    """Mahalanobis distance divided by the square root of the number of features: 1 is usual; NaN stays NaN."""
    away = features - mean
    return float(np.sqrt(np.maximum(float(away @ precision @ away), 0.0) / len(away)))


def precision_of(samples: NDArray[np.float64], shrinkage: float = 0.1) -> NDArray[np.float64]:
    """Inverse covariance [d, d] of samples [n, d], correlations shrunk towards none: percentiles and mean nearly repeat each other."""
    spread = np.maximum(np.asarray(samples.std(axis=0)), 1e-3)
    correlation = np.eye(samples.shape[1])
    # Of two samples every correlation is 1, and of one there is none.
    if len(samples) > 2:
        correlation = np.asarray(np.nan_to_num(np.corrcoef(samples, rowvar=False)))
        np.fill_diagonal(correlation, 1.0)
    shrunk = (1 - shrinkage) * correlation + shrinkage * np.eye(len(spread))
    return np.asarray(np.linalg.inv(shrunk) / np.outer(spread, spread))
