"""Behaviour over time: area curve, its jitter, frame-to-frame overlap, timing of ED and ES."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.overlap import overlap_metrics
from harness.evaluation.surface import Spacing


def area_curve(masks: ArrayLike, spacing: Spacing = (1.0, 1.0)) -> NDArray[np.float64]:
    """Area of each mask: masks [T, H, W] → [T], in squared units of ``spacing``."""
    m = np.asarray(masks).astype(bool, copy=False)
    if m.ndim != 3:
        raise ValueError(f"masks must be [T, H, W], got {m.shape}")
    return np.count_nonzero(m, axis=(1, 2)) * float(spacing[0] * spacing[1])


def area_jitter_percent(areas: ArrayLike) -> float:
    """Mean absolute second difference of an area curve, in percent of its mean: 0 for a straight line.

    The second difference is the discrete Laplacian that Painchaud et al. (IEEE TMI 2022) use to find temporal
    inconsistencies. NaN for fewer than three frames or an area that is zero throughout.
    """
    a = np.asarray(areas, np.float64)
    # A second difference needs three values.
    if a.size < 3 or not a.mean() > 0:
        return math.nan
    # Divided by the mean: a large ventricle must not look more restless than a small one.
    return float(100.0 * np.abs(np.diff(a, n=2)).mean() / a.mean())


def frame_to_frame_dice(masks: ArrayLike) -> NDArray[np.float64]:
    """Dice of each mask with the next: masks [T, H, W] → [T-1]; NaN where both are empty."""
    m = np.asarray(masks).astype(bool, copy=False)
    return np.array([overlap_metrics(a, b)["dice"] for a, b in itertools.pairwise(m)])


def flicker(masks: ArrayLike) -> float:
    """Share of a structure's pixels that change in one frame and change back in the next.

    masks [T, H, W] of one structure. Counted over all inner frames and divided by the pixels that are set in any of the three.
    A heart that moves one way makes almost none, a beat some at its turning points: read it beside the reference's own.
    NaN for fewer than three frames or masks that are empty throughout.

    >>> flicker([[[1, 1]], [[1, 0]], [[1, 1]]]), flicker([[[1, 1]], [[1, 0]], [[1, 0]]])
    (0.5, 0.0)
    """
    m = np.asarray(masks).astype(bool, copy=False)
    if m.shape[0] < 3:
        return math.nan
    before, now, after = m[:-2], m[1:-1], m[2:]
    count = np.count_nonzero(before | now | after)
    return float(np.count_nonzero((now != before) & (after == before)) / count) if count else math.nan


def area_error(predicted: ArrayLike, reference: ArrayLike) -> float:
    """Mean absolute difference of two area curves [T], as a share of the reference's mean; NaN where that is zero.

    >>> area_error([9, 5], [10, 6])
    0.125
    """
    p, r = np.asarray(predicted, np.float64), np.asarray(reference, np.float64)
    if p.shape != r.shape or p.size == 0:
        raise ValueError(f"the curves must be equally long and not empty, got {p.shape} and {r.shape}")
    return float(np.abs(p - r).mean() / r.mean()) if r.mean() > 0 else math.nan


def mean_or_nan(values: ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    v = np.asarray(values, np.float64)
    # Not nanmean: it warns and returns NaN with a message nobody asked for.
    v = v[~np.isnan(v)]
    return float(v.mean()) if v.size else math.nan


def phase_timing_errors(areas: ArrayLike, frames: ArrayLike, ed: int, es: int) -> tuple[int, int]:
    """Frames by which the largest and smallest area miss the stated ED and ES (predicted − stated).

    Args:
        areas: [T], area curve of the predicted cavity.
        frames: [T], index of each value in the source clip, in which ``ed`` and ``es`` are counted.

    Raises:
        ValueError: the curve is empty or the lengths differ.
    """
    a, f = np.asarray(areas, np.float64), np.asarray(frames)
    if a.size == 0 or a.shape != f.shape:
        raise ValueError(f"areas and frames must be equally long and not empty, got {a.shape} and {f.shape}")
    return int(f[int(a.argmax())]) - ed, int(f[int(a.argmin())]) - es
