"""Outlines of one labelled still: contours of LV, outer wall and atrium, and the points that name their pieces.

Lengths are in mm, points are (x, y) in the image's frame: x to the right, y downwards, the middle of pixel (row, column) at
((column + 1/2) dx, (row + 1/2) dy).
"""

from __future__ import annotations

from dataclasses import dataclass

import contourpy
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harness.clip import LABELS
from harness.data.dataset import ClipRefused

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TOUCH_PX = 2.2
"""A contour point nearer than this to another structure lies beside it: half a pixel each for the two borders, and the Gaussian."""

_SMOOTH_PX = 1.0
_APEX_MM = 1.0
_LV_ON_BORDER_MM = 8.0
_SECOND_SHARE = 0.05


class CineRefusal(ClipRefused):
    """No cine clip can be made of a pair of stills; the sentence says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """What is read off one still's label map.

    Attributes:
        left, right: [2], the ends of the mitral line (annulus).
        endocardium: [n, 2] from ``left`` over the apex to ``right``.
        apex: index of the apex in ``endocardium``.
        wall: [n, 2], the outer border of the myocardium from ``left`` over the top to ``right``.
        corners: indices in ``wall`` of the left basal corner, of the top (on the long axis) and of the right basal corner.
        atrium: [n, 2], the free border of the left atrium from ``left``'s side to ``right``'s.
        cut: indices in ``atrium`` between which the picture's lower border cuts it, or None.
        size_mm: (height, width) of the picture.
    """

    left: Array
    right: Array
    endocardium: Array
    apex: int
    wall: Array
    corners: tuple[int, int, int]
    atrium: Array
    cut: tuple[int, int] | None
    size_mm: tuple[float, float]


def outline(mask: NDArray[np.uint8], spacing_mm: tuple[float, float], phase: str) -> Outline:
    """Outline of a label map.

    Args:
        mask: uint8 [H, W] with the ids of ``harness.clip.LABELS``.
        spacing_mm: (row, column) pixel size.
        phase: name of the still in sentences (``"ED"``).

    Raises:
        CineRefusal: a structure is missing, comes twice, or does not have the shape of an apical view.
    """
    cavity = _largest(mask == LABELS["lv"], "LV cavity", phase)
    heart = _largest(cavity | (mask == LABELS["myo"]), "LV with its wall", phase)
    atrium = _largest(mask == LABELS["la"], "left atrium", phase)
    if not (mask == LABELS["myo"]).any():
        raise CineRefusal(f"The {phase} mask has no myocardium; a cine clip needs LV, myocardium and left atrium.")
    _refuse_border(cavity, spacing_mm, phase)
    near = TOUCH_PX * max(spacing_mm)
    inner, wall, free = (_contour(part, spacing_mm) for part in (cavity, heart, atrium))
    endocardium = _without_mitral_run(inner, _distance(heart & ~cavity, spacing_mm, inner) > near, phase)
    left, right = endocardium[0], endocardium[-1]
    outer = _over_the_top(wall, left, right)
    apex = _apex(endocardium)
    atrial = _longest_run(free, _distance(heart, spacing_mm, free) > near)
    if atrial is None or len(atrial) < 8:
        raise CineRefusal(f"The left atrium of the {phase} mask has no free border; see whether labels were swapped.")
    if np.linalg.norm(atrial[0] - left) > np.linalg.norm(atrial[-1] - left):
        atrial = atrial[::-1]
    height, width = mask.shape[0] * spacing_mm[0], mask.shape[1] * spacing_mm[1]
    return Outline(
        left=left,
        right=right,
        endocardium=endocardium,
        apex=apex,
        wall=outer,
        corners=_corners(outer, (left + right) / 2, endocardium[apex], phase),
        atrium=atrial,
        cut=_cut(atrial, height - 1.5 * spacing_mm[0]),
        size_mm=(height, width),
    )


def arc_length(points: Array) -> Array:
    """[n]: length along a polyline [n, 2] from its first point to each."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def _largest(mask: Mask, title: str, phase: str) -> Mask:
    """The largest component; small islands are let go, a second large one is refused: the owner's labels then mean something else."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count == 1:
        raise CineRefusal(f"The {phase} mask has no {title}; a cine clip needs LV, myocardium and left atrium.")
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = np.argsort(areas)[::-1]
    if len(order) > 1 and areas[order[1]] > _SECOND_SHARE * areas[order[0]]:
        raise CineRefusal(f"The {phase} mask holds the {title} in {len(order)} parts; correct the mask.")
    return np.asarray(labels == 1 + order[0])


def _refuse_border(cavity: Mask, spacing_mm: tuple[float, float], phase: str) -> None:
    """A cavity that leaves the picture has no closed wall: what enters during the beat cannot be warped from anywhere."""
    edges = (
        (cavity[0].sum() + cavity[-1].sum()) * spacing_mm[1],
        (cavity[:, 0].sum() + cavity[:, -1].sum()) * spacing_mm[0],
    )
    if max(edges) > _LV_ON_BORDER_MM:
        raise CineRefusal(f"The LV of the {phase} mask lies on the picture's border for {max(edges):.0f} mm.")


def _contour(mask: Mask, spacing_mm: tuple[float, float]) -> Array:
    """The longest closed contour [n, 2] at one half of the smoothed mask, in mm."""
    padded = np.pad(mask.astype(np.float32), 4)  # masks touch the border, where a contour would stay open
    smooth = cv2.GaussianBlur(padded, (0, 0), _SMOOTH_PX)
    lines = contourpy.contour_generator(z=smooth).lines(0.5)
    points = max((np.asarray(line) for line in lines), key=len)
    # the first point of a closed line comes again as its last
    return (points[:-1] - 4 + 0.5) * np.array([spacing_mm[1], spacing_mm[0]])


def _distance(mask: Mask, spacing_mm: tuple[float, float], points: Array) -> Array:
    """[n]: distance in mm from points [n, 2] to the nearest pixel of a mask, read at the nearest pixel."""
    distance = ndimage.distance_transform_edt(~np.pad(mask, 4, mode="edge"), sampling=spacing_mm)
    rows = np.rint(points[:, 1] / spacing_mm[0] - 0.5).astype(int) + 4
    columns = np.rint(points[:, 0] / spacing_mm[1] - 0.5).astype(int) + 4
    inside = np.clip(rows, 0, distance.shape[0] - 1), np.clip(columns, 0, distance.shape[1] - 1)
    return np.asarray(distance[inside])


def _longest_run(points: Array, chosen: Mask) -> Array | None:
    """The longest run, by length, of chosen points of a closed contour [n, 2]; None where none is chosen."""
    if chosen.all() or not chosen.any():
        return points if chosen.all() else None
    start = int(np.flatnonzero(~chosen)[0])  # a run may pass the contour's first point: begin where none is chosen
    points, chosen = np.roll(points, -start, axis=0), np.roll(chosen, -start)
    borders = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    runs = [points[first:last] for first, last in zip(borders[::2], borders[1::2], strict=True)]
    return max(runs, key=lambda run: float(arc_length(run)[-1]))


def _without_mitral_run(inner: Array, free: Mask, phase: str) -> Array:
    """The endocardium [n, 2], from the left end of the mitral run over the apex to its right end."""
    run = _longest_run(inner, free)
    if run is None or len(run) == len(inner) or arc_length(run)[-1] < 5:
        raise CineRefusal(
            f"The LV of the {phase} mask has no mitral line: the myocardium should leave it open at the base."
        )
    first = int(np.flatnonzero((inner == run[-1]).all(axis=1))[0])
    last = int(np.flatnonzero((inner == run[0]).all(axis=1))[0])
    rolled = np.roll(inner, -first, axis=0)
    rest = rolled[: (last - first) % len(inner) + 1]
    return rest if rest[0, 0] < rest[-1, 0] else rest[::-1]


def _apex(endocardium: Array) -> int:
    """Index in the middle of the points within 1 mm of the largest distance from the mitral line's middle."""
    middle = (endocardium[0] + endocardium[-1]) / 2
    distance = np.hypot(*(endocardium - middle).T)
    far = np.flatnonzero(distance >= distance.max() - _APEX_MM)
    return int(far[len(far) // 2])


def _over_the_top(wall: Array, left: Array, right: Array) -> Array:
    """The part of the outer contour [n, 2] from the point nearest ``left`` to the one nearest ``right`` that passes the apex."""
    first, last = (int(np.argmin(((wall - end) ** 2).sum(1))) for end in (left, right))
    rolled = np.roll(wall, -first, axis=0)
    split = (last - first) % len(wall)
    there, back = rolled[: split + 1], np.concatenate([rolled[split:], rolled[:1]])[::-1]
    return there if arc_length(there)[-1] > arc_length(back)[-1] else back


def _corners(wall: Array, base: Array, apex: Array, phase: str) -> tuple[int, int, int]:
    """Indices of left corner, top and right corner; the top is where the long axis leaves the wall."""
    reach = float(np.linalg.norm(apex - base))
    axis = (apex - base) / reach
    along, across = (wall - base) @ axis, (wall - base) @ np.array([-axis[1], axis[0]])
    beyond = np.flatnonzero(along > 0.5 * reach)
    if not len(beyond):
        raise CineRefusal(f"The wall of the {phase} mask does not reach round the apex.")
    top = int(beyond[np.argmin(np.abs(across[beyond]))])
    return _corner(wall[: top + 1]), top, len(wall) - 1 - _corner(wall[top:][::-1])


def _corner(side: Array) -> int:
    """Index of the basal corner of one side of the wall [n, 2], which begins at the annulus.

    It is the point of the first 40 % that lies farthest from the chord of that stretch: with a chord to the top the bulge of a
    wide wall would win.
    """
    length = arc_length(side)
    stretch = side[: int(np.searchsorted(length, 0.4 * length[-1])) + 1]
    chord = stretch[-1] - stretch[0]
    offset = np.abs((stretch - stretch[0]) @ np.array([-chord[1], chord[0]]))
    return int(np.argmax(offset))


def _cut(atrium: Array, lowest: float) -> tuple[int, int] | None:
    """First and last index of the run on the picture's lower border; None where fewer than 3 mm lie on it."""
    on = np.flatnonzero(atrium[:, 1] >= lowest)
    if len(on) < 2 or np.linalg.norm(atrium[on[-1]] - atrium[on[0]]) < 3:
        return None
    return int(on[0]), int(on[-1])
