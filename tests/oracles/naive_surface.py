"""The surface metrics written as their definition reads: slow, obvious, and what ``harness/evaluation/surface.py`` is held to."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def naive_surface(mask: ArrayLike) -> list[tuple[int, int]]:
    """Foreground pixels with a 4-neighbour that is background or outside the image, as (row, column)."""
    m = np.asarray(mask).astype(bool)
    height, width = m.shape

    def inside(row: int, column: int) -> bool:
        return 0 <= row < height and 0 <= column < width and bool(m[row, column])

    return [
        (r, c)
        for r in range(height)
        for c in range(width)
        if m[r, c] and not all(inside(r + dr, c + dc) for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    ]


def naive_directed(source: ArrayLike, target: ArrayLike, spacing: tuple[float, float]) -> list[float]:
    """For every surface pixel of ``source`` the distance to the nearest surface pixel of ``target``."""
    sy, sx = spacing
    goals = naive_surface(target)
    return [min(math.hypot((r - tr) * sy, (c - tc) * sx) for tr, tc in goals) for r, c in naive_surface(source)]


def naive_percentile(values: list[float], percent: float) -> float:
    """Percentile with linear interpolation between the two nearest ranks."""
    ordered = sorted(values)
    rank = (len(ordered) - 1) * percent / 100
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def naive_surface_metrics(
    prediction: ArrayLike, reference: ArrayLike, spacing: tuple[float, float] = (1.0, 1.0), tolerance: float = 2.2
) -> dict[str, float]:
    """``hd``, ``hd95``, ``asd``, ``nsd``, ``hd95_pooled`` of masks [H, W] with the empty-mask policy of ``harness/evaluation/surface.py``."""
    p, g = np.asarray(prediction).astype(bool), np.asarray(reference).astype(bool)
    names = ("hd", "hd95", "asd", "hd95_pooled")
    if not p.any() and not g.any():
        return {**dict.fromkeys(names, math.nan), "nsd": math.nan}
    if not p.any() or not g.any():
        height, width = p.shape
        diagonal = math.hypot((height - 1) * spacing[0], (width - 1) * spacing[1])
        return {**dict.fromkeys(names, diagonal), "nsd": 0.0}
    there, back = naive_directed(p, g, spacing), naive_directed(g, p, spacing)
    return {
        "hd": max(max(there), max(back)),
        "hd95": max(naive_percentile(there, 95), naive_percentile(back, 95)),
        "asd": sum(there + back) / len(there + back),
        "nsd": sum(distance <= tolerance for distance in there + back) / len(there + back),
        "hd95_pooled": naive_percentile(there + back, 95),
    }
