"""Outlines of the heart along the long axis of the left ventricle.

Local coordinates: ``z`` runs in mm from the endocardial apex (0) along the long axis to the mitral plane (``length``)
and on into the left atrium; ``u`` is the lateral distance in mm, positive towards the image's right. Every outline is a
half width over ``z``, so each short-axis cut of the ventricle is an ellipse whose diameters are the widths in the two views.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

STEP_MM = 0.1
TABLE_TOP_MM = -40.0
TABLE_BOTTOM_MM = 260.0
TABLE_Z = np.arange(TABLE_TOP_MM, TABLE_BOTTOM_MM, STEP_MM, dtype=np.float32)
"""Local z of the entries of an outline's tables: a frame asks for the half width of some hundred thousand pixels and points."""


def bullet(s: Array, shoulder: float, base: float) -> Array:
    """Relative half width of a bullet over its relative length: 0 at ``s`` = 0, 1 at ``shoulder``, ``base`` at ``s`` = 1.

    A quarter ellipse up to the shoulder, a parabola beyond it; 0 outside 0..1.
    """
    # Clipped because a rounding error below zero would be NaN exactly at the apex.
    cap = np.sqrt(np.clip(1 - (1 - s / shoulder) ** 2, 0, 1))
    body = 1 - (1 - base) * ((s - shoulder) / (1 - shoulder)) ** 2
    return np.where((s < 0) | (s > 1), 0, np.where(s < shoulder, cap, body)).astype(np.float32)


def bullet_moment(shoulder: float, base: float, power: int) -> float:
    """Integral of ``bullet ** power`` over 0..1 in closed form, for power 1 (area) and 2 (volume)."""
    drop, rest = 1 - base, 1 - shoulder
    if power == 1:
        return shoulder * np.pi / 4 + rest * (1 - drop / 3)
    return shoulder * 2 / 3 + rest * (1 - 2 * drop / 3 + drop**2 / 5)


@dataclass(frozen=True, kw_only=True, slots=False)
class Outline:
    """One view of the heart at one instant; lengths in mm.

    Attributes:
        length: long axis of the LV cavity. width: its largest diameter in this view.
        shoulder, base: shape of the cavity (see ``bullet``).
        apex_wall, side_wall, base_wall: thickness of the myocardium.
        atrium_length, atrium_width: extent of the left atrium below the mitral plane and its largest diameter.
    """

    length: float
    width: float
    shoulder: float
    base: float
    apex_wall: float
    side_wall: float
    base_wall: float
    atrium_length: float
    atrium_width: float

    @property
    def cavity_area(self) -> float:
        """Area of the LV cavity in mm²."""
        return self.length * self.width * bullet_moment(self.shoulder, self.base, 1)

    @property
    def outer_shape(self) -> tuple[float, float, float, float]:
        """Length, width, shoulder and base of the epicardial bullet."""
        length, half = self.length + self.apex_wall, self.width / 2 + self.side_wall
        # The widest place stays at the same height: the wall adds its apical thickness in front of it.
        shoulder = (self.shoulder * self.length + self.apex_wall) / length
        return length, 2 * half, shoulder, (self.base * self.width / 2 + self.base_wall) / half

    @property
    def wall_area(self) -> float:
        """Area of the myocardium above the mitral plane in mm²."""
        length, width, shoulder, base = self.outer_shape
        return length * width * bullet_moment(shoulder, base, 1) - self.cavity_area

    @cached_property
    def _inner(self) -> Array:
        ventricle = bullet(TABLE_Z / self.length, self.shoulder, self.base) * (self.width / 2)
        return np.where(self.length < TABLE_Z, self._atrium, ventricle).astype(np.float32)

    @cached_property
    def _atrium(self) -> Array:
        q = np.clip((TABLE_Z - self.length) / self.atrium_length, 0, None)
        # The annulus is a little narrower than the cavity's end, which gives the waist at the mitral plane.
        top, half = 0.94 * self.base * self.width / 2, self.atrium_width / 2
        upper = top + (half - top) * (1 - (1 - q / 0.45) ** 2)
        lower = half * np.sqrt(np.clip(1 - ((q - 0.45) / 0.55) ** 2, 0, 1))
        return np.where(q < 0.45, upper, lower).astype(np.float32)

    @cached_property
    def _outer(self) -> Array:
        length, width, shoulder, base = self.outer_shape
        wall = bullet((TABLE_Z + self.apex_wall) / length, shoulder, base) * (width / 2)
        # Below the mitral plane the wall thins over 4 mm to the 3 mm of an atrium; a step would show as an edge.
        thin = 3 + (wall[np.searchsorted(TABLE_Z, self.length) - 1] - self._inner_at_base - 3) * np.exp(
            -np.clip(TABLE_Z - self.length, 0, None) / 4
        )
        return np.where(self.length < TABLE_Z, self._atrium + thin, wall).astype(np.float32)

    @property
    def _inner_at_base(self) -> float:
        return self.base * self.width / 2

    def inner(self, z: Array, u: Array | None = None) -> Array:
        """Half width of the cavity (LV above the mitral plane, left atrium below it) at ``z``.

        ``u`` says on which side; both are alike here (``regional.RegionalOutline`` has two).
        """
        return self._inner[table_index(z)]

    def outer(self, z: Array, u: Array | None = None) -> Array:
        """Half width of the heart's outside (epicardium above the mitral plane, atrial wall below it) at ``z``; ``u`` as in ``inner``."""
        return self._outer[table_index(z)]


def table_index(z: Array) -> NDArray[np.intp]:
    """Index of the nearest entry of the outline tables."""
    # Nearest entry: the error of at most 0.05 mm is a tenth of a pixel of the default size.
    index = ((z - TABLE_TOP_MM) * (1 / STEP_MM) + 0.5).astype(np.intp)
    return np.clip(index, 0, len(TABLE_Z) - 1)
