"""Distances between the surfaces of two binary masks: HD, HD95, ASD, and the share of surface within a tolerance; float64.

Semantics of the echocardiography reference metrics v1.1 (wangrui2025/awesome-echocardiography): the surface is
the mask minus its 4-connected erosion, pixels on the image border included; HD95 is the larger of the two
directed 95th percentiles; ASD is the mean of the pooled directed distances; NSD (normalised surface Dice) is the share of
both surfaces' pixels that lie within a tolerance of the other surface (S. Nikolov et al., "Clinically applicable
segmentation of head and neck anatomy", J. Med. Internet Res. 23, 2021, on pixels as in Metrics Reloaded). ``tests/oracles/naive_surface.py``
says the same slowly and a test holds both together.

The fast path crops to the union of both masks, reads the surface off by slicing, and compares surface pixels
only: all pairs where there are few, a KD-tree where there are many.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from harness.evaluation.overlap import Mask, binary_pair

Spacing = tuple[float, float]
"""Pixel size as (row, column), in mm or (1, 1) for pixels."""

NSD_TOLERANCE_MM = 2.2
"""Mean distance between two cardiologists' contours of the LV endocardium at ED on CAMUS, the smaller of the two that involve the
one who drew the reference (S. Leclerc et al., IEEE TMI 38(9), 2019, Table III)."""

PAIR_LIMIT = 600_000
"""Up to this many pairs of surface pixels all squared distances are computed; beyond it KD-trees are faster."""


def surface_metrics(
    prediction: ArrayLike,
    reference: ArrayLike,
    spacing: Spacing = (1.0, 1.0),
    *,
    tolerance: float = NSD_TOLERANCE_MM,
    pooled: bool = False,
) -> dict[str, float]:
    """Hausdorff distance, its directed 95th percentile, average symmetric surface distance, normalised surface Dice.

    Args:
        prediction, reference: masks [H, W]; every non-zero pixel is foreground.
        spacing: pixel size (row, column); its unit is the unit of the result.
        tolerance: distance up to which surfaces agree, in the unit of ``spacing``; by default what two cardiologists
            differ by on average, in mm.
        pooled: also return ``hd95_pooled``, the 95th percentile of the pooled distances (what medpy computes).

    Returns:
        ``hd``, ``hd95``, ``asd``, ``nsd`` in 0..1 (and ``hd95_pooled``). Both masks empty: NaN. Exactly one empty: the
        diagonal of the field of view, and an NSD of 0.

    Raises:
        ValueError: shapes differ, a spacing is not positive and finite, or the tolerance is negative.

    >>> square = np.zeros((8, 8), bool)
    >>> square[2:6, 2:6] = True
    >>> surface_metrics(square, np.roll(square, 1, axis=1), tolerance=0.5)["nsd"]  # 12 of 24 surface pixels coincide
    0.5
    """
    p, g = binary_pair(prediction, reference)
    check_spacing(spacing)
    if not tolerance >= 0:
        raise ValueError(f"tolerance must not be negative, got {tolerance}")
    names = ("hd", "hd95", "asd", "hd95_pooled") if pooled else ("hd", "hd95", "asd")
    box = _union_box(p, g)
    if box is None:
        return {**dict.fromkeys(names, math.nan), "nsd": math.nan}
    there, back = _directed(p[box], g[box], spacing)
    if not there.size or not back.size:
        return {**dict.fromkeys(names, field_of_view_diagonal((p.shape[0], p.shape[1]), spacing)), "nsd": 0.0}
    # Sorted once: maximum, percentile and mean all read the same order.
    there.sort()
    back.sort()
    values = {
        "hd": float(max(there[-1], back[-1])),
        "hd95": max(_sorted_percentile(there, 95.0), _sorted_percentile(back, 95.0)),
        "asd": float((there.sum() + back.sum()) / (there.size + back.size)),
        "nsd": sum(int(np.searchsorted(side, tolerance, side="right")) for side in (there, back))
        / (there.size + back.size),
    }
    if pooled:
        values["hd95_pooled"] = _sorted_percentile(np.sort(np.concatenate([there, back])), 95.0)
    return values


def directed_distances(
    prediction: ArrayLike, reference: ArrayLike, spacing: Spacing = (1.0, 1.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of every surface pixel to the other surface: (prediction → reference, reference → prediction).

    Surface pixels come in row-major order. Both arrays are empty where either mask is empty.
    """
    p, g = binary_pair(prediction, reference)
    check_spacing(spacing)
    box = _union_box(p, g)
    if box is None:
        return np.empty(0), np.empty(0)
    return _directed(p[box], g[box], spacing)


def surface_pixels(mask: ArrayLike) -> NDArray[np.int64]:
    """Row and column [N, 2] of the foreground pixels that the 4-connected erosion removes, in row-major order."""
    m = np.asarray(mask).astype(bool, copy=False)
    height, width = m.shape
    # A frame of background: pixels on the image's border are surface, as in the reference metrics.
    framed = np.zeros((height + 2, width + 2), bool)
    framed[1:-1, 1:-1] = m
    eroded = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    # Flat indices: one pass over the mask.
    flat = np.flatnonzero(m > eroded)
    return np.stack(np.divmod(flat, width), axis=1)


def field_of_view_diagonal(shape: tuple[int, int], spacing: Spacing) -> float:
    """Distance between the centres of two opposite corner pixels: the penalty for a missed structure."""
    return math.hypot((shape[0] - 1) * spacing[0], (shape[1] - 1) * spacing[1])


def check_spacing(spacing: Spacing) -> None:
    """Raise ``ValueError`` unless ``spacing`` is a pair of positive, finite numbers."""
    if len(spacing) != 2 or not all(math.isfinite(step) and step > 0 for step in spacing):
        raise ValueError(f"spacing must be a (row, column) pair of positive numbers, got {spacing}")


def _union_box(p: Mask, g: Mask) -> tuple[slice, slice] | None:
    either = p | g
    rows = np.flatnonzero(either.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(either[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _directed(p: Mask, g: Mask, spacing: Spacing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = (np.multiply(surface_pixels(mask), spacing, dtype=np.float64) for mask in (p, g))
    if not len(a) or not len(b):
        return np.empty(0), np.empty(0)
    # Squares first: the root of a minimum is one root, the minimum of roots is a million.
    if len(a) * len(b) <= PAIR_LIMIT:
        squared = cdist(a, b, "sqeuclidean")
        return np.sqrt(squared.min(axis=1)), np.sqrt(squared.min(axis=0))
    return _nearest(a, b), _nearest(b, a)


def _nearest(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    # Built quickly rather than balanced: it is asked once for each point and thrown away.
    tree = cKDTree(target, balanced_tree=False, compact_nodes=False)
    distances, _ = tree.query(source, k=1)
    return np.asarray(distances, np.float64)


def _sorted_percentile(ordered: NDArray[np.float64], percent: float) -> float:
    """Percentile with linear interpolation (numpy's default) of values that are sorted already."""
    # numpy's "linear" method, which MONAI and the definition share; np.percentile would sort again.
    rank = (ordered.size - 1) * percent / 100.0
    low = int(rank)
    high = min(low + 1, ordered.size - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (rank - low))
