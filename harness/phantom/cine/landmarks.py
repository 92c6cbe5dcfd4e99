"""Landmarks of a pair of stills: points of the outlines that are the same tissue at ED and ES, and points that stay at rest."""

from __future__ import annotations

from dataclasses import dataclass

import contourpy
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harness.phantom.cine.outlines import Array, Outline, arc_length

ENDOCARDIUM, WALL, WALL_BASE, MITRAL, ATRIUM, ATRIUM_CUT = 26, 28, 5, 7, 36, (14, 9, 14)
"""Landmarks per piece: half the endocardium, half the outer wall, each basal edge, mitral line, atrium (whole; side, cut, side)."""

_NEAREST_MM = 1.2
_RING_STEP_MM = 8.0
_COARSE_MM = 1.0
_SIDE_SHARE = 0.85
_BORDER_MM = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Landmarks:
    """``ed`` and ``es`` are [n, 2] in mm, (x, y); rows with equal positions stay at rest."""

    ed: Array
    es: Array


def match(ed: Outline, es: Outline, *, atrium: bool = True) -> Landmarks:
    """Landmarks of two outlines by equal arc length within each piece between named points.

    Args:
        atrium: False leaves out the atrium's, and those within 1 mm of the picture's border: where an atrium enters the
            picture during systole there is no tissue at ED that it could be matched with.
    """
    pairs = [
        *zip(_halves(ed), _halves(es), strict=True),
        *zip(_wall_pieces(ed), _wall_pieces(es), strict=True),
        (_line(ed.left, ed.right, MITRAL), _line(es.left, es.right, MITRAL)),
    ]
    if atrium:
        pairs += zip(*_atrium_pieces(ed, es), strict=True)
    start, end = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    if not atrium:
        inside = _off_border(start, ed.size_mm) & _off_border(end, es.size_mm)
        start, end = start[inside], end[inside]
    kept = _thinned(start, end)
    return Landmarks(ed=start[kept], es=end[kept])


def at_rest(masks: NDArray[np.uint8], spacing_mm: tuple[float, float], rings_mm: tuple[float, ...]) -> Array:
    """[n, 2]: points without motion near the transducer and on rings round both hearts.

    Outside the heart "no motion" fits the real ES picture best: with rings the warped ED correlates with it at .65 to .72 as
    without any warp, and at .39 without rings.

    Args:
        masks: uint8 [2, H, W], the label maps at ED and ES.
        rings_mm: distances of the rings from the union of both hearts.
    """
    height, width = masks.shape[1] * spacing_mm[0], masks.shape[2] * spacing_mm[1]
    angles = np.deg2rad([-28, -14, 0, 14, 28])
    near = np.concatenate([depth * np.stack([np.sin(angles), np.cos(angles)], axis=1) for depth in (1.0, 6.0)])
    near[:, 0] += width / 2
    rings = [_ring(masks.max(axis=0) > 0, spacing_mm, distance) for distance in rings_mm]
    return np.concatenate([near, *[ring[ring[:, 1] < height + 2] for ring in rings]])


def _ring(heart: NDArray[np.bool_], spacing_mm: tuple[float, float], distance: float) -> Array:
    """Points [n, 2] every 8 mm along the line ``distance`` mm outside the heart, beyond the picture where it leads there."""
    rows, columns = (
        max(1, round(size * step / _COARSE_MM)) for size, step in zip(heart.shape, spacing_mm, strict=True)
    )
    coarse = cv2.resize(heart.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) > 0.5
    step_y, step_x = heart.shape[0] * spacing_mm[0] / rows, heart.shape[1] * spacing_mm[1] / columns
    margin = int(distance / _COARSE_MM) + 4
    outside = ndimage.distance_transform_edt(~np.pad(coarse, margin), sampling=(step_y, step_x))
    lines = contourpy.contour_generator(z=outside).lines(distance)
    if not lines:
        return np.empty((0, 2))
    line = max((np.asarray(item) for item in lines), key=len)
    points = (line - margin + 0.5) * np.array([step_x, step_y])
    return _resampled(points, max(3, round(arc_length(points)[-1] / _RING_STEP_MM)) + 1)[:-1]


def _line(start: Array, end: Array, count: int) -> Array:
    return start + np.linspace(0, 1, count)[:, None] * (end - start)


def _resampled(points: Array, count: int) -> Array:
    """``count`` points at equal arc length along a polyline [n, 2], both ends included."""
    length = arc_length(points)
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, points[:, axis]) for axis in (0, 1)], axis=1)


def _halves(item: Outline) -> list[Array]:
    inner = item.endocardium
    return [_resampled(inner[: item.apex + 1], ENDOCARDIUM), _resampled(inner[item.apex :], ENDOCARDIUM)]


def _wall_pieces(item: Outline) -> list[Array]:
    left, top, right = item.corners
    spans = ((0, left, WALL_BASE), (left, top, WALL), (top, right, WALL), (right, len(item.wall) - 1, WALL_BASE))
    return [_resampled(item.wall[first : last + 1], count) for first, last, count in spans]


def _atrium_pieces(ed: Outline, es: Outline) -> tuple[list[Array], list[Array]]:
    """The atrium's pieces in both frames; the ends of a cut by the lower border are named points.

    Where one frame only is cut its sides are matched by their length from the annulus and the cut edge with what is left: by
    arc length over the whole border the cut would lie on the round roof.
    """
    if ed.cut is None and es.cut is None:
        return [_resampled(ed.atrium, ATRIUM)], [_resampled(es.atrium, ATRIUM)]
    sides = _sides(ed if ed.cut else es)
    return _cut_pieces(ed, sides), _cut_pieces(es, sides)


def _sides(item: Outline) -> tuple[float, float]:
    """Lengths of the free sides left and right of the cut."""
    assert item.cut is not None
    length = arc_length(item.atrium)
    return float(length[item.cut[0]]), float(length[-1] - length[item.cut[1]])


def _cut_pieces(item: Outline, sides: tuple[float, float]) -> list[Array]:
    length = arc_length(item.atrium)
    left, right = sides if item.cut is None else _sides(item)
    shrink = min(1.0, _SIDE_SHARE * length[-1] / max(left + right, 1e-6))  # something must be left for the cut edge
    at = (0.0, left * shrink, length[-1] - right * shrink, length[-1])
    dense = _resampled(item.atrium, 400)
    along = np.linspace(0, length[-1], 400)
    pieces = []
    for first, last, count in zip(at[:-1], at[1:], ATRIUM_CUT, strict=True):
        where = np.linspace(first, last, count)
        pieces.append(np.stack([np.interp(where, along, dense[:, axis]) for axis in (0, 1)], axis=1))
    return pieces


def _off_border(points: Array, size_mm: tuple[float, float]) -> NDArray[np.bool_]:
    height, width = size_mm
    x, y = points.T
    return np.asarray((x > _BORDER_MM) & (x < width - _BORDER_MM) & (y > _BORDER_MM) & (y < height - _BORDER_MM))


def _thinned(start: Array, end: Array) -> list[int]:
    """Indices of the landmarks that are 1.2 mm or more from every earlier kept one in both frames.

    Two landmarks that meet in one frame and not in the other would ask the kernel interpolation for an infinite gradient.
    """
    kept: list[int] = []
    for index in range(len(start)):
        gaps = [np.hypot(*(points[kept] - points[index]).T).min(initial=np.inf) for points in (start, end)]
        if min(gaps) >= _NEAREST_MM:
            kept.append(index)
    return kept
