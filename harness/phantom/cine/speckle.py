"""A still taken apart: the fan, a smooth base with its bright lines, and speckle in units of its local deviation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtri

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

BASE_MM, DEVIATION_MM = 1.5, 3.0
"""Gaussians whose results are the base and the local deviation."""

_LINE = 2.2
_LEVELS = 257
_LEAST_DEVIATION = 0.5
REACH = 3.5
"""Gaussian scores beyond this are clipped: a still has too few pixels to tell its tails."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """A still as ``base + deviation * quantiles(score)``.

    Attributes:
        base: float32 [H, W], smooth grey and what exceeds +2.2 local deviations. Valves and specular lines must not flicker as
            speckle does, so they belong to it.
        deviation: float32 [H, W], local deviation of the speckle.
        score: float32 [H, W], the speckle's rank in its own distribution as a standard normal value.
        quantiles: float32 [257], the speckle over its deviation at the scores -3.5 .. 3.5: real speckle is skewed, and the
            middle frames shall be so too.
    """

    base: Image
    deviation: Image
    score: Image
    quantiles: Image


def fan_of(ed: NDArray[np.uint8], es: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> Mask:
    """bool [H, W]: the sector, from what is not black in either still, without holes smaller than 3 mm."""
    lit = ((ed > 0) | (es > 0)).astype(np.uint8)
    size = tuple(2 * round(3.0 / step / 2) + 1 for step in spacing_mm[::-1])
    margin = max(size)
    padded = cv2.copyMakeBorder(lit, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones(size[::-1], np.uint8))
    return np.asarray(closed[margin:-margin, margin:-margin] > 0)


def nearest_inside(fan: Mask) -> NDArray[np.int64]:
    """int64 [H * W]: flat index of the nearest pixel inside the fan, so that warping draws in no black from beyond the sector."""
    rows, columns = ndimage.distance_transform_edt(~fan, return_distances=False, return_indices=True)
    return np.ravel_multi_index((rows, columns), fan.shape).astype(np.int64).ravel()


def blur(image: Image, width_mm: float, spacing_mm: tuple[float, float]) -> Image:
    """Gaussian of a width in mm; a wide one is taken on a coarser picture, where it costs a tenth and differs by a percent."""
    sigma = min(width_mm / step for step in spacing_mm)
    factor = max(1, int(sigma / 2))
    height, width = image.shape
    size = max(1, width // factor), max(1, height // factor)
    small = image if factor == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    coarse = [
        width_mm / step * part / whole
        for step, part, whole in zip(spacing_mm[::-1], size, (width, height), strict=True)
    ]
    # averaging over f pixels and interpolating between them adds a variance of (f^2 - 1) / 12 and f^2 / 6 to the kernel's
    added = (factor**2 - 1) / 12 / factor**2 + (1 / 6 if factor > 1 else 0)
    widths = [float(np.sqrt(value**2 - added)) if value**2 > added else 1e-3 for value in coarse]
    smooth = cv2.GaussianBlur(small, (0, 0), widths[0], sigmaY=widths[1], borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth if factor == 1 else cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR))


def take_apart(
    picture: NDArray[np.uint8], fan: Mask, nearest: NDArray[np.int64], spacing_mm: tuple[float, float]
) -> Parts:
    """Separate a still into its parts; ``nearest`` is ``nearest_inside(fan)``."""
    image = picture.reshape(-1)[nearest].reshape(fan.shape).astype(np.float32)
    smooth = blur(image, BASE_MM, spacing_mm)
    rest = image - smooth
    deviation = np.sqrt(blur(rest**2, DEVIATION_MM, spacing_mm)) + np.float32(_LEAST_DEVIATION)
    speckle = np.minimum(rest, np.float32(_LINE) * deviation)
    scaled = speckle / deviation
    scores = np.linspace(-REACH, REACH, _LEVELS, dtype=np.float32)
    ordered = np.sort(scaled[fan])
    shares = (np.arange(len(ordered)) + 0.5) / len(ordered)
    score = np.interp(scaled, ordered[:: max(1, len(ordered) // 4000)], ndtri(shares[:: max(1, len(ordered) // 4000)]))
    quantiles = np.interp(scores, ndtri(shares), ordered)
    return Parts(
        base=image - speckle,
        deviation=deviation,
        score=np.clip(score, -REACH, REACH).astype(np.float32),
        quantiles=quantiles.astype(np.float32),
    )


def looked_up(quantiles: Image, score: Image) -> Image:
    """``quantiles(score)``, linear between its 257 levels."""
    position = (np.clip(score, -REACH, REACH) + np.float32(REACH)) * np.float32((_LEVELS - 1) / (2 * REACH))
    return np.asarray(cv2.remap(quantiles[None, :], position, np.zeros_like(position), cv2.INTER_LINEAR))
