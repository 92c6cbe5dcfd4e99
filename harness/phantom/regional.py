"""Regional wall-motion defects: segments that move inwards less than the rest, not at all, or outwards.

Territories and the two apical views are those of the 17-segment model (Cerqueira et al., Circulation 105, 2002); degrees of a defect
are those of wall-motion scoring (Lang et al., J Am Soc Echocardiogr 28, 2015): hypokinesia, akinesia, dyskinesia.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from harness.phantom.profiles import TABLE_Z, Array, Outline, table_index

Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """A segment of one view: its side, centre and half extent (shares of the long axis from the apex), and the share of its inward
    motion and thickening that is lost (0.5 hypokinesia, 1 akinesia, above 1 dyskinesia)."""

    right: bool
    centre: float
    extent: float
    loss: float

    def at(self, s: Array) -> Array:
        """The loss along the axis: full in the segment, fading at its borders, none at the mitral ring, which moves with the base."""
        inside = np.exp(-(((s - self.centre) / self.extent) ** 4)) * np.clip((0.98 - s) / 0.12, 0, 1)
        return np.asarray(self.loss * inside, np.float32)


# (right side of the image, centre, half extent): septum and inferior wall are on the left of their views.
TERRITORIES: dict[str, dict[str, tuple[tuple[bool, float, float], ...]]] = {
    "LAD": {
        "4CH": ((False, 0.25, 0.38), (True, 0.02, 0.22)),
        "2CH": ((True, 0.32, 0.42), (False, 0.02, 0.22)),
    },
    "RCA": {"4CH": ((False, 0.78, 0.2),), "2CH": ((False, 0.66, 0.34),)},
    "LCX": {"4CH": ((True, 0.58, 0.38),), "2CH": ()},
}


def draw_defects(rng: Generator) -> tuple[str, dict[str, tuple[Defect, ...]]]:
    """Draw a coronary territory and the defects that its infarct leaves in the two views."""
    territory = str(rng.choice(list(TERRITORIES), p=(0.5, 0.3, 0.2)))
    degree = rng.choice(3, p=(0.5, 0.35, 0.15))
    loss = float((rng.uniform(0.4, 0.75), 1.0, rng.uniform(1.1, 1.3))[degree])
    segments = {
        view: tuple(Defect(right=right, centre=centre, extent=extent, loss=loss) for right, centre, extent in places)
        for view, places in TERRITORIES[territory].items()
    }
    return territory, segments


@dataclass(frozen=True, kw_only=True, slots=False)
class RegionalOutline(Outline):
    """An outline whose segments stay behind: nearer to where they are at rest (ED) by the share that their defect takes away."""

    rest: Outline
    defects: tuple[Defect, ...] = field(default=())

    @classmethod
    def of(cls, now: Outline, rest: Outline, defects: tuple[Defect, ...]) -> RegionalOutline:
        """The outline that ``now`` would be without defects, with them."""
        return cls(**{name: getattr(now, name) for name in Outline.__dataclass_fields__}, rest=rest, defects=defects)

    @cached_property
    def _shifts(self) -> tuple[Array, Array]:
        """Inner and outer half width added on the left (row 0) and the right (row 1), over the table's z."""
        s = np.clip(TABLE_Z / np.float32(self.length), 0, 1)
        at_rest, now = s * np.float32(self.rest.length), s * np.float32(self.length)
        # Above the apex only the wall lies: what it lost fades with its thickness instead of ending in a step.
        above = np.clip(1 + TABLE_Z / np.float32(self.apex_wall), 0, 1) * (self.length >= TABLE_Z)
        inside = (TABLE_Z >= 0) & (self.length >= TABLE_Z)
        loss = np.zeros((2, len(s)), np.float32)
        for defect in self.defects:
            loss[int(defect.right)] = np.maximum(loss[int(defect.right)], defect.at(s))
        inner = loss * (self.rest.inner(at_rest) - super().inner(now)) * inside
        outer = loss * (self.rest.outer(at_rest) - super().outer(now)) * above
        return inner.astype(np.float32), outer.astype(np.float32)

    def inner(self, z: Array, u: Array | None = None) -> Array:
        """Half width of the cavity at ``z`` on the side of ``u``; without ``u`` the mean of both sides."""
        return super().inner(z) + _on_side(self._shifts[0], table_index(z), u)

    def outer(self, z: Array, u: Array | None = None) -> Array:
        """Half width of the heart's outside at ``z`` on the side of ``u``; without ``u`` the mean of both sides."""
        return super().outer(z) + _on_side(self._shifts[1], table_index(z), u)


def _on_side(shift: Array, index: np.ndarray, u: Array | None) -> Array:
    left, right = shift[0][index], shift[1][index]
    return np.asarray((left + right) / 2 if u is None else np.where(u > 0, right, left), np.float32)
