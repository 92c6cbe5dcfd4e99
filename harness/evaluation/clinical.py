"""Left-ventricular volumes and ejection fraction from masks of the LV cavity.

Volumes are in mL (spacing in mm), lengths in mm. Methods, by the names used in metric columns:

- ``biplane``: Simpson's method of 20 discs from the apical 2CH and 4CH views, V = π/4 · Σ aᵢ bᵢ · L/20 with L the
  longer of the two long axes (Lang et al., J Am Soc Echocardiogr 2015;28:1-39).
- ``single``: the same with aᵢ = bᵢ from one view.
- ``area_length``: V = 8 A² / (3 π L) from one view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from harness.evaluation.surface import Spacing, check_spacing

DISCS = 20
_SUBPIXELS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LongAxisProfile:
    """One mask cut into discs across its long axis.

    Attributes:
        length_mm: extent of the mask along the axis.
        widths_mm: [discs], area of each disc divided by its height, from the upper end of the image downwards.
        area_mm2: area of the mask.
        direction: unit vector (row, column) in mm, pointing down the image.
    """

    length_mm: float
    widths_mm: NDArray[np.float64]
    area_mm2: float
    direction: tuple[float, float]


def long_axis_profile(mask: ArrayLike, spacing_mm: Spacing, discs: int = DISCS) -> LongAxisProfile | None:
    """Cut the largest connected part of an LV mask [H, W] into discs of equal height across its long axis.

    The axis bisects two estimates, both made in mm: the principal axis of the pixels and the line from the apex to
    the middle of the mitral annulus. The apex points up in the image, as in every apical view.

    Args:
        spacing_mm: pixel size (row, column), possibly anisotropic.

    Returns:
        The profile, or None where the mask has fewer than three pixels or no extent along its axis.
    """
    check_spacing(spacing_mm)
    # A single stray pixel at the border would lengthen the axis and with it the volume.
    component = largest_component(mask)
    points = np.multiply(np.argwhere(component), spacing_mm, dtype=np.float64)
    if len(points) < 3:
        return None
    principal = _principal_axis(points)
    # Sum of two unit vectors: their bisector. Either alone is off where the mask is round or its base oblique.
    axis = _downwards(principal + _apex_to_base(points, principal))
    edges, areas = _disc_areas(points, axis, spacing_mm, discs)
    length = float(edges[1] - edges[0])
    if length <= 0:
        return None
    return LongAxisProfile(
        length_mm=length,
        widths_mm=areas / (length / discs),
        area_mm2=float(len(points) * spacing_mm[0] * spacing_mm[1]),
        direction=(float(axis[0]), float(axis[1])),
    )


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


def _principal_axis(points: NDArray[np.float64]) -> NDArray[np.float64]:
    # eigh sorts ascending: the last vector has the largest spread.
    _, vectors = np.linalg.eigh(np.cov((points - points.mean(axis=0)).T))
    return _downwards(vectors[:, 1])


def _downwards(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    axis = axis / np.linalg.norm(axis)
    return -axis if axis[0] < 0 or (axis[0] == 0 and axis[1] < 0) else axis


def _apex_to_base(points: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector from the apex (uppermost point along ``axis``) to the middle of the mitral annulus.

    The two ends of the annulus are the points furthest along the diagonals between ``axis`` and its normal.
    """
    along, across = points @ axis, points @ np.array([-axis[1], axis[0]])
    # The corners of the base are where a diagonal line last touches the mask.
    annulus = (points[np.argmax(along + across)] + points[np.argmax(along - across)]) / 2
    line = annulus - points[np.argmin(along)]
    return _downwards(line) if line.any() else axis


def _disc_areas(
    points: NDArray[np.float64], axis: NDArray[np.float64], spacing: Spacing, discs: int
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Ends of the mask along the axis and area of each disc in mm², every pixel split into sub-pixels."""
    offset = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
    shift = np.add.outer(offset * spacing[0] * axis[0], offset * spacing[1] * axis[1]).ravel()
    along = np.add.outer(points @ axis, shift).ravel()
    low, high = float(along.min()), float(along.max())
    if high <= low:
        return (low, high), np.zeros(discs)
    # The lowest point itself would fall into disc 20 of 0..19.
    disc = np.minimum(((along - low) * (discs / (high - low))).astype(np.intp), discs - 1)
    counts = np.bincount(disc, minlength=discs)
    areas = counts.astype(np.float64) * (spacing[0] * spacing[1] / _SUBPIXELS**2)
    return (low, high), areas
