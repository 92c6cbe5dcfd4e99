"""The long axis of the left ventricle, from the outline of its mask: mitral plane, middle of the annulus, apex.

Points are (row, column) in mm. The apex points up in the image, as in every apical view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

from harness.evaluation.surface import Spacing

Points = NDArray[np.float64]

OUTLINE_POINTS = 256
"""Points on the outline, 1 mm apart at most: all its vertices move no EF of the old CAMUS release by more than 0.2 points."""
FLATNESS = 0.045
"""How far the outline may leave the mitral plane, as a share of the root of the mask's area: 2.5 mm at 30 cm²."""
BLUNT_APEX = 0.01
"""Points this close to the furthest are one apex: on a blunt tip a pixel more or less would turn the axis."""
CAMUS_PIXEL_MM = 0.308
CAMUS_REACH_MM = 8 * CAMUS_PIXEL_MM
"""The owners of CAMUS count eight of their pixels, both for the flatness of the plane and for the shortest radius."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LongAxis:
    """From the middle of the mitral annulus to the apex, (row, column) in mm."""

    base: tuple[float, float]
    apex: tuple[float, float]

    @property
    def length_mm(self) -> float:
        """Distance of the two."""
        return float(np.hypot(self.apex[0] - self.base[0], self.apex[1] - self.base[1]))

    @property
    def direction(self) -> Points:
        """Unit vector [2] from base to apex."""
        return np.subtract(self.apex, self.base) / self.length_mm


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretches:
    """Every stretch of an outline of up to half its length, k of them.

    Attributes:
        points: [n, 2], the outline.
        start, steps: [k], index of the first point, and how many points further the last one lies.
        chord, length: [k, 2] and [k], from the first to the last point in mm.
    """

    points: Points
    start: NDArray[np.intp]
    steps: NDArray[np.intp]
    chord: Points
    length: NDArray[np.float64]


def outline(component: NDArray[np.bool_], spacing_mm: Spacing, count: int = OUTLINE_POINTS) -> Points:
    """``count`` points at equal distances along the outer outline of a connected mask [H, W] that is not empty."""
    # The frame of zeros closes the outline of a mask that touches the border of the image.
    padded = np.pad(component.astype(np.float64), 1)
    rows, columns = ((np.arange(n) - 1) * s for n, s in zip(padded.shape, spacing_mm, strict=True))
    lines = contour_generator(x=columns, y=rows, z=padded).lines(0.5)
    # Holes have outlines too; the outer one encloses the largest area.
    closed = max((np.asarray(line) for line in lines), key=_enclosed)[:, ::-1]
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    stations = np.linspace(0, travelled[-1], count, endpoint=False)
    return np.stack([np.interp(stations, travelled, closed[:, axis]) for axis in (0, 1)], axis=1)


def stretches(points: Points) -> Stretches:
    """All stretches of an outline [n, 2]."""
    n = len(points)
    start, steps = (grid.ravel() for grid in np.meshgrid(np.arange(n), np.arange(2, n // 2 + 1), indexing="ij"))
    chord = points[(start + steps) % n] - points[start]
    # A chord of no length has no direction; it never wins.
    length = np.maximum(np.hypot(chord[:, 0], chord[:, 1]), 1e-9)
    return Stretches(points=points, start=start, steps=steps, chord=chord, length=length)


def anatomical_axis(every: Stretches, pixels: Points, area_mm2: float) -> LongAxis | None:
    """The axis of ``biplane``, ``single`` and ``area_length``; None where no stretch of the outline is flat.

    The mitral plane is the stretch below the centre whose points leave its chord by no more than ``FLATNESS`` and that has
    the largest product of length and squared cosine of its angle to the normal of the mask's principal axis.

    Args:
        pixels: [n, 2], centres of the mask's pixels in mm.
    """
    centre = pixels.mean(axis=0)
    # eigh sorts ascending: the last vector has the largest spread.
    _, vectors = np.linalg.eigh(np.cov((pixels - centre).T))
    along = every.chord @ vectors[:, 1] / every.length
    # A sharp limit of the angle, as in the owners' script, lets the plane slide up the side of a smooth outline.
    score = every.length * (1 - along**2)
    below = (every.points[every.start] + every.chord / 2)[:, 0] > centre[0]
    return _axis(every, np.where(below, score, 0.0), FLATNESS * np.sqrt(area_mm2), blunt=BLUNT_APEX)


def camus_axis(every: Stretches) -> LongAxis | None:
    """The axis of the owners of CAMUS: the longest chord within 45 degrees of the horizontal that is flat to 8 pixels."""
    level = np.abs(every.chord[:, 0]) <= np.abs(every.chord[:, 1])
    return _axis(every, np.where(level, every.length, 0.0), CAMUS_REACH_MM, blunt=0.0)


def _axis(every: Stretches, score: NDArray[np.float64], tolerance: float, *, blunt: float) -> LongAxis | None:
    """From the middle point of the best flat stretch to the point of the outline furthest from it.

    The axis points at the middle of the points that are nearly as far (``blunt``, a share of the distance).
    """
    points, n = every.points, len(every.points)
    best = _best_flat(every, score, tolerance)
    if best is None:
        return None
    base = points[(every.start[best] + every.steps[best] // 2) % n]
    distances = np.linalg.norm(points - base, axis=1)
    tip = points[distances >= (1 - blunt) * distances.max()].mean(axis=0) - base
    apex = base + tip * (distances.max() / np.linalg.norm(tip))
    return LongAxis(base=(float(base[0]), float(base[1])), apex=(float(apex[0]), float(apex[1])))


def _best_flat(every: Stretches, score: NDArray[np.float64], tolerance: float) -> int | None:
    """The stretch of the highest positive score of which no point leaves the chord by more than the tolerance."""
    chosen = np.flatnonzero(score > 0)
    # Three points of each first: of the 32,000 stretches of an outline hardly a thousand are left to look at whole.
    for share in (2, 4, 4 / 3):
        inner = np.rint(every.steps[chosen] / share).astype(np.intp)[:, None]
        chosen = chosen[_deviation(every, chosen, inner) <= tolerance]
    for candidate in chosen[np.argsort(-score[chosen], kind="stable")]:
        inner = np.arange(1, every.steps[candidate])[None]
        if _deviation(every, np.array([candidate]), inner)[0] <= tolerance:
            return int(candidate)
    return None


def _deviation(every: Stretches, chosen: NDArray[np.intp], inner: NDArray[np.intp]) -> NDArray[np.float64]:
    """[k], largest distance from its chord of the points ``inner`` [k, m] steps into each chosen stretch."""
    start, chord = every.start[chosen], every.chord[chosen]
    between = every.points[(start[:, None] + inner) % len(every.points)] - every.points[start][:, None]
    cross = between[..., 0] * chord[:, None, 1] - between[..., 1] * chord[:, None, 0]
    return np.asarray(np.abs(cross).max(axis=1) / every.length[chosen])


def _enclosed(line: Points) -> float:
    """Area inside a closed line [n, 2] (shoelace)."""
    return float(abs(np.sum(line[:-1, 0] * line[1:, 1] - line[1:, 0] * line[:-1, 1])) / 2)
