"""From two label maps to an accepted deformation: the ladder of settings, and the refusal at its end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.phantom.cine.flow import Flow, FlowSettings, integrate
from harness.phantom.cine.landmarks import at_rest, match
from harness.phantom.cine.outlines import Array, CineRefusal, Outline, outline

SQUEEZED = 0.02
"""A least Jacobian below this is squeezed to the limit of what the grid carries; the clip then carries a note."""

_MISS_MM, _WORST_MISS_MM = 1.0, 3.0
_SOFT = 0.02
_FINE = FlowSettings(grid_mm=1.5, bound=0.08, rings_mm=(20.0, 30.0))
_SMALL_ATRIUM_CM2 = 3.0
_LOW_ANNULUS_MM = 10.0
_SWAPPED = 1.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Warp:
    """An accepted flow, the settings that made it and a note where it is at the limit."""

    flow: Flow
    settings: FlowSettings
    note: str | None


def warp(masks: NDArray[np.uint8], spacing_mm: tuple[float, float], phases: Array) -> Warp:
    """The first flow of the ladder that folds nowhere, in either direction, at any frame.

    The ladder: the plain settings; softer (lambda .02: two landmarks that nearly meet are then no longer forced apart); finer grid
    and steps with wider rings; without the atrium's landmarks where it enters the picture during systole; softest. A flow that
    misses its landmarks by more than 1 mm is taken only where no other is left, and by more than 3 mm never: soft enough, every
    motion is free of folds.

    Args:
        masks: uint8 [2, H, W], label maps at ED and ES.
        spacing_mm: (row, column) pixel size.
        phases: [T] from 0 to 1.

    Raises:
        CineRefusal: the masks are not those of a beating heart in an apical view, or every flow folds.
    """
    areas = [(mask == LABELS["lv"]).sum() for mask in masks]
    if areas[1] > _SWAPPED * areas[0] and areas[0] > 0:
        raise CineRefusal("The LV of the ES mask is larger than that of the ED mask; were the stills swapped?")
    ends = outline(masks[0], spacing_mm, "ED"), outline(masks[1], spacing_mm, "ES")
    least, softened = -np.inf, []
    for settings in _ladder(masks, spacing_mm, ends[0]):
        landmarks = match(*ends, atrium=settings.atrium)
        resting = at_rest(masks, spacing_mm, settings.rings_mm)
        flow = integrate(landmarks, resting, ends[0].size_mm, phases, settings)
        if flow.least_jacobian > 0 and flow.miss_mm <= _MISS_MM:
            return Warp(flow=flow, settings=settings, note=_note(flow))
        if flow.least_jacobian > 0 and flow.miss_mm <= _WORST_MISS_MM:
            softened.append(Warp(flow=flow, settings=settings, note=_note(flow)))
        least = max(least, flow.least_jacobian)
    if softened:
        return min(softened, key=lambda item: item.flow.miss_mm)
    if least > 0:
        raise CineRefusal(
            "The motion between ED and ES is met only where it is smoothed away; are these masks of one beat?"
        )
    raise CineRefusal(
        f"The motion between ED and ES cannot be carried without folds (least Jacobian {least:.2f}); are these masks of one beat?"
    )


def _ladder(masks: NDArray[np.uint8], spacing_mm: tuple[float, float], ed: Outline) -> list[FlowSettings]:
    settings = [FlowSettings(), FlowSettings(stiffness=_SOFT), _FINE, replace(_FINE, stiffness=_SOFT)]
    if _atrium_enters(masks[0], spacing_mm, ed):
        settings += [replace(_FINE, atrium=False), replace(_FINE, atrium=False, stiffness=_SOFT)]
    return [*settings, replace(settings[-1], stiffness=0.1)]


def _atrium_enters(mask: NDArray[np.uint8], spacing_mm: tuple[float, float], ed: Outline) -> bool:
    """Whether most of the atrium seen at ES lies outside the picture at ED."""
    area = (mask == LABELS["la"]).sum() * spacing_mm[0] * spacing_mm[1] / 100
    low = ed.size_mm[0] - max(ed.left[1], ed.right[1]) < _LOW_ANNULUS_MM
    return ed.cut is not None and (area < _SMALL_ATRIUM_CM2 or low)


def _note(flow: Flow) -> str | None:
    if flow.least_jacobian >= SQUEEZED:
        return None
    return f"cine: tissue is squeezed to the limit (least Jacobian below {SQUEEZED:g})"
