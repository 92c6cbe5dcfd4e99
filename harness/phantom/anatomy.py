"""The beating heart of one patient: outlines of both views over the cardiac phase, with volumes that agree.

Phase 0 is end-diastole, phase 1 end-systole. Both views share the long axis and the cavity's short-axis cuts are ellipses,
so the biplane method of discs (Schiller et al. 1989) measures the true volume but for its discretisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from harness.phantom.pose import Pose
from harness.phantom.profiles import Outline, bullet
from harness.phantom.regional import Defect, RegionalOutline

VIEWS = ("2CH", "4CH")
_Shape = TypeVar("_Shape", Outline, Pose)


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewAnatomy:
    """One view: outlines and poses at end-diastole and end-systole; between them both are interpolated linearly.

    ``right_ventricle_mm`` is the right ventricle's width beside the septum; 0 in the two-chamber view. ``defects`` are segments that
    move less than the rest.
    """

    view: str
    ed: Outline
    es: Outline
    ed_pose: Pose
    es_pose: Pose
    right_ventricle_mm: float
    defects: tuple[Defect, ...] = ()

    def outline(self, phase: float) -> Outline:
        """Outline at a phase in 0..1, or a little beyond."""
        whole = _between(self.ed, self.es, phase)
        return RegionalOutline.of(whole, self.ed, self.defects) if self.defects else whole

    def pose(self, phase: float) -> Pose:
        """Pose at a phase in 0..1, or a little beyond."""
        return _between(self.ed_pose, self.es_pose, phase)


def _between(first: _Shape, last: _Shape, phase: float) -> _Shape:
    values = {f.name: (1 - phase) * getattr(first, f.name) + phase * getattr(last, f.name) for f in fields(first)}
    return type(first)(**values)


def overlap_moment(first: Outline, second: Outline) -> float:
    """Mean over the long axis of the product of two relative half widths."""
    # Midpoint rule; shoulders of two views differ, so the product has no closed form worth writing.
    s = (np.arange(4000, dtype=np.float64) + 0.5) / 4000
    product = bullet(s, first.shoulder, first.base) * bullet(s, second.shoulder, second.base)
    return float(product.mean(dtype=np.float64))


def biplane_volume_ml(first: Outline, second: Outline) -> float:
    """Volume in ml of the body whose orthogonal apical sections are two outlines of equal length."""
    if isinstance(first, RegionalOutline) or isinstance(second, RegionalOutline):
        return _summed_volume_ml(first, second)
    # ∫ π/4 d₂(z) d₄(z) dz: what the biplane method of discs measures, so truth and measurement agree by construction.
    return np.pi / 4 * first.length * first.width * second.width * overlap_moment(first, second) / 1000


def _summed_volume_ml(first: Outline, second: Outline) -> float:
    """The same for walls of two unlike sides: short-axis cuts are ellipses whose diameters are the two sides together."""
    s = (np.arange(2000, dtype=np.float32) + 0.5) / 2000
    widths = []
    for outline in (first, second):
        z = s * np.float32(outline.length)
        widths.append((outline.inner(z, -np.ones_like(z)) + outline.inner(z, np.ones_like(z))).astype(np.float64))
    return float(np.pi / 4 * first.length * (widths[0] * widths[1]).mean() / 1000)


def volumes_ml(views: Sequence[ViewAnatomy], phases: Sequence[float]) -> list[float]:
    """True LV volume in ml at each phase."""
    return [biplane_volume_ml(*(view.outline(phase) for view in views)) for phase in phases]
