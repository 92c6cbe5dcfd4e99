"""Left-ventricular volumes and ejection fraction from masks of the LV cavity.

Volumes are in mL (spacing in mm), lengths in mm. Methods, by the names used in metric columns (rules and sources:
docs/protocol.md):

- ``biplane``: Simpson's method of 20 discs from the apical 2CH and 4CH views, V = π/4 · Σ aᵢ bᵢ · L/20 with L the
  longer of the two long axes of that phase (Lang et al., J Am Soc Echocardiogr 2015;28:1-39).
- ``biplane_camus``: what the owners of CAMUS compute, one disc height for both phases.
- ``single``: biplane with aᵢ = bᵢ from one view.
- ``area_length``: V = 8 A² / (3 π L) from one view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from harness.evaluation.long_axis import (
    CAMUS_PIXEL_MM,
    CAMUS_REACH_MM,
    LongAxis,
    anatomical_axis,
    camus_axis,
    outline,
    stretches,
)
from harness.evaluation.surface import Spacing, check_spacing

DISCS = 20
SMALLEST_PIXELS = 3
"""Fewer pixels have no shape: the volume is missing."""
_SUBPIXELS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LongAxisProfile:
    """One mask cut into discs across its long axis.

    Attributes:
        axis: from the middle of the annulus to the apex.
        widths_mm: [discs], width of the mask across the axis, from base to apex.
        area_mm2: area of the mask.
    """

    axis: LongAxis
    widths_mm: NDArray[np.float64]
    area_mm2: float

    @property
    def length_mm(self) -> float:
        """Length of the axis."""
        return self.axis.length_mm


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfilePair:
    """One mask measured by the harness's rule and by that of the owners of CAMUS; None where a rule finds no axis."""

    anatomical: LongAxisProfile | None = None
    camus: LongAxisProfile | None = None


def long_axis_profile(mask: ArrayLike, spacing_mm: Spacing, discs: int = DISCS) -> LongAxisProfile | None:
    """Cut the largest connected part of an LV mask [H, W] into discs of equal height across its long axis.

    The axis runs from the middle of the mitral annulus, found on the outline, to the point of the outline furthest from it
    (``long_axis.anatomical_axis``). The apex points up in the image, as in every apical view.

    Args:
        spacing_mm: pixel size (row, column), possibly anisotropic.

    Returns:
        The profile; its width of a disc is the disc's area divided by its height. None where the mask has fewer than three
        pixels or no mitral plane.

    >>> rows, columns = np.mgrid[:120, :120]
    >>> section = ((rows - 60) / 40) ** 2 + ((columns - 60) / 20) ** 2 < 1
    >>> profile = long_axis_profile(section, (1.0, 1.0))
    >>> abs(profile.length_mm - 80) < 1, abs(simpson_single_ml(profile) - 67.0) < 1
    (True, True)
    """
    return profile_pair(mask, spacing_mm, discs).anatomical


def profile_pair(mask: ArrayLike, spacing_mm: Spacing, discs: int = DISCS) -> ProfilePair:
    """The same mask by both rules; its outline is looked at once."""
    check_spacing(spacing_mm)
    # A single stray pixel at the border would lengthen the axis and with it the volume.
    component = largest_component(mask)
    pixels = np.multiply(np.argwhere(component), spacing_mm, dtype=np.float64)
    if len(pixels) < SMALLEST_PIXELS:
        return ProfilePair()
    every = stretches(outline(component, spacing_mm))
    area = float(len(pixels) * spacing_mm[0] * spacing_mm[1])
    axis, owners = anatomical_axis(every, pixels, area), camus_axis(every)
    pair: dict[str, LongAxisProfile] = {}
    if axis is not None:
        widths = _disc_widths(pixels, axis, spacing_mm, discs)
        pair["anatomical"] = LongAxisProfile(axis=axis, widths_mm=widths, area_mm2=area)
    if owners is not None:
        widths = _camus_widths(component, owners, spacing_mm, discs)
        pair["camus"] = LongAxisProfile(axis=owners, widths_mm=widths, area_mm2=area)
    return ProfilePair(**pair)


def largest_component(mask: ArrayLike) -> NDArray[np.bool_]:
    """The largest 8-connected component of a mask [H, W]; spurious blobs would lengthen the axis."""
    m = np.asarray(mask).astype(bool, copy=False)
    if m.ndim != 2:
        raise ValueError(f"mask must be [H, W], got {m.shape}")
    labels, count = ndimage.label(m, structure=np.ones((3, 3)))
    if count <= 1:
        return m
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))


def simpson_biplane_ml(two_chamber: LongAxisProfile | None, four_chamber: LongAxisProfile | None) -> float:
    """Volume from the profiles of both apical views; NaN where one is missing."""
    if two_chamber is None or four_chamber is None:
        return math.nan
    # Lang et al. 2015: the longer axis, because foreshortening only ever shortens.
    length = max(two_chamber.length_mm, four_chamber.length_mm)
    discs = len(two_chamber.widths_mm)
    if discs != len(four_chamber.widths_mm):
        raise ValueError(f"both profiles need the same number of discs, got {discs} and {len(four_chamber.widths_mm)}")
    # /1000: mm³ to mL.
    return float(math.pi / 4 * np.dot(two_chamber.widths_mm, four_chamber.widths_mm) * length / discs / 1000)


def biplane_camus_ml(
    end_diastole: tuple[LongAxisProfile | None, LongAxisProfile | None],
    end_systole: tuple[LongAxisProfile | None, LongAxisProfile | None],
) -> tuple[float, float]:
    """(EDV, ESV) from the ``camus`` profiles of 2CH and 4CH at both phases; NaN, NaN where one is missing.

    The height of a disc is that of the longest of the four axes, for both phases: the end-systolic ventricle gets the
    length of the end-diastolic one, which lowers the EF by about nine points (docs/protocol.md).
    """
    profiles = [profile for profile in (*end_diastole, *end_systole) if profile is not None]
    if len(profiles) < 4:
        return math.nan, math.nan
    length = max(profile.length_mm for profile in profiles)
    edv, esv = (
        float(math.pi / 4 * np.dot(two.widths_mm, four.widths_mm) * length / len(two.widths_mm) / 1000)
        for two, four in (profiles[:2], profiles[2:])
    )
    return edv, esv


def simpson_single_ml(profile: LongAxisProfile | None) -> float:
    """Volume from one view, every disc taken as round; NaN where the profile is missing."""
    return simpson_biplane_ml(profile, profile)


def area_length_ml(profile: LongAxisProfile | None) -> float:
    """Volume 8 A² / (3 π L) from one view; NaN where the profile is missing."""
    if profile is None:
        return math.nan
    return 8 * profile.area_mm2**2 / (3 * math.pi * profile.length_mm) / 1000


def ejection_fraction(edv: float, esv: float) -> float:
    """EF = 100 · (EDV − ESV) / EDV in percent; NaN where a volume is missing or EDV is not positive.

    The value is not clipped: an implausible prediction stays visible.
    """
    if not (math.isfinite(edv) and math.isfinite(esv)) or edv <= 0:
        return math.nan
    return 100.0 * (edv - esv) / edv


def _disc_widths(pixels: NDArray[np.float64], axis: LongAxis, spacing: Spacing, discs: int) -> NDArray[np.float64]:
    """Area of each disc divided by its height [discs], from base to apex, every pixel split into sub-pixels."""
    direction, height = axis.direction, axis.length_mm / discs
    offset = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
    shift = np.add.outer(offset * spacing[0] * direction[0], offset * spacing[1] * direction[1]).ravel()
    along = np.add.outer((pixels - axis.base) @ direction, shift).ravel() / height
    # The discs end at the middle of the annulus, as those of the owners do: below it lies the atrium's side of the plane.
    disc = np.floor(along[(along >= 0) & (along < discs)]).astype(np.intp)
    counts = np.bincount(disc, minlength=discs)
    return counts.astype(np.float64) * (spacing[0] * spacing[1] / _SUBPIXELS**2) / height


def _camus_widths(component: NDArray[np.bool_], axis: LongAxis, spacing: Spacing, discs: int) -> NDArray[np.float64]:
    """Diameters [discs] at 0, 1/20, ..., 19/20 of the way from base to apex.

    Each side is measured from eight pixels of CAMUS outwards in steps of half a pixel until the mask ends, as its owners
    do: no diameter is smaller than sixteen pixels.
    """
    direction = axis.direction
    normal = np.array([-direction[1], direction[0]])
    stations = np.add(axis.base, np.outer(np.arange(discs) * (axis.length_mm / discs), direction))
    farthest = math.hypot(component.shape[0] * spacing[0], component.shape[1] * spacing[1])
    radii = np.arange(CAMUS_REACH_MM, farthest + CAMUS_REACH_MM, CAMUS_PIXEL_MM / 2)
    width = np.zeros(discs)
    for side in (-1.0, 1.0):
        places = stations[:, None] + side * radii[None, :, None] * normal
        rows, columns = np.rint(places / np.asarray(spacing)).astype(np.intp).transpose(2, 0, 1)
        within = (rows >= 0) & (columns >= 0) & (rows < component.shape[0]) & (columns < component.shape[1])
        inside = np.zeros(rows.shape, dtype=bool)
        inside[within] = component[rows[within], columns[within]]
        # The last radius lies outside of every image, so that each row has an end.
        width += radii[np.argmin(inside, axis=1)]
    return width
