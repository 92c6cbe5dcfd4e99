"""Measures of one image, mask or sequence: geometry in mm, grey levels, speckle size, temporal correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]

RESIDUAL_MM = 2.5
"""Deviation of the Gaussian whose result is subtracted to leave the speckle for its strength and size."""

TRACE_MM = 1.5
"""The same for its correlation in time: narrow, so that the standing brightness of the tissue does not count."""

_RESIDUAL_DEG = 3.5


def geometry(mask: Image, pixel: float) -> dict[str, float]:
    """Areas (cm²), LV length and width (mm), tilt (degrees), apex depth (mm) and sector of a label map [H, W].

    The long axis joins the middle of the LV's contact with the atrium (its lowest pixels where there is none) to the farthest
    LV pixel. ``@`` in a name stands for the phase.
    """
    cm2 = pixel**2 / 100
    base, apex = long_axis(mask == 1, mask == 3)
    axis = (apex - base) * pixel
    length = float(np.hypot(*axis))
    height, width = mask.shape
    return {
        "half_angle_deg": float(np.rad2deg(np.arcsin(min(1.0, width / 2 / height)))),
        "depth_mm": height * pixel,
        "lv_area_@_cm2": float((mask == 1).sum() * cm2),
        "myo_area_@_cm2": float((mask == 2).sum() * cm2),
        "la_area_@_cm2": float((mask == 3).sum() * cm2),
        "lv_length_@_mm": length,
        "lv_width_@_mm": _width(mask == 1, base, apex) * pixel,
        "tilt_@_deg": float(np.rad2deg(np.arctan2(abs(axis[1]), abs(axis[0])))),
        "apex_depth_@_mm": float(apex[0] * pixel),
    }


def long_axis(cavity: NDArray[np.bool_], atrium: NDArray[np.bool_]) -> tuple[Image, Image]:
    """(row, column) of the mitral plane's middle and of the apex."""
    # Two pixels, so that a gap of one between a ventricle and an atrium drawn by hand counts as contact.
    contact = np.argwhere(cavity & ndimage.binary_dilation(atrium, iterations=2))
    points = np.argwhere(cavity)
    base = contact.mean(0) if len(contact) else points[points[:, 0] >= points[:, 0].max() - 1].mean(0)
    apex = points[np.argmax(((points - base) ** 2).sum(1))]
    return base.astype(np.float32), apex.astype(np.float32)


def _width(cavity: NDArray[np.bool_], base: Image, apex: Image) -> float:
    """Largest chord across the long axis, as pixel count per pixel-wide slice."""
    direction = (apex - base) / np.hypot(*(apex - base))
    # Pixels per slice, and the mean of five slices: slanted slices of a grid hold now more, now fewer pixels.
    along = np.floor((np.argwhere(cavity) - base) @ direction).astype(int)
    counts = np.bincount(along - along.min()).astype(float)
    return float(ndimage.uniform_filter1d(counts, 5).max())


def grey_levels(image: Image, mask: Image, pixel: float) -> dict[str, float]:
    """Mean grey level and residual deviation of cavity and myocardium, 1 mm off their borders and inside the fan."""
    fan = _fan(image)
    steps = max(1, round(1 / pixel))
    # What is left is speckle; the smooth part is brightness that belongs to tissue and gain.
    residual = image - ndimage.gaussian_filter(image, RESIDUAL_MM / pixel)
    values = {"fan_share": float(ndimage.binary_closing(image > 0, iterations=3).mean())}
    for name, label in (("cavity", 1), ("myocardium", 2)):
        inside = ndimage.binary_erosion(mask == label, iterations=steps) & fan
        values[f"grey_{name}"] = float(image[inside].mean()) if inside.any() else float("nan")
        values[f"residual_{name}"] = float(residual[inside].std()) if inside.any() else float("nan")
    values |= _grey_by_depth(image, pixel)
    values["grey_contrast"] = values["grey_myocardium"] - values["grey_cavity"]
    return values


def _grey_by_depth(image: Image, pixel: float) -> dict[str, float]:
    height, width = image.shape
    y, x = np.ogrid[:height, :width]
    depth, fan = np.hypot((y + 0.5) * pixel, (x + 0.5 - width / 2) * pixel), _fan(image)
    bands = {"grey_0_30_mm": (0, 30), "grey_30_140_mm": (30, 140), "grey_beyond_140_mm": (140, np.inf)}
    inside = {name: fan & (depth >= top) & (depth < bottom) for name, (top, bottom) in bands.items()}
    return {name: float(image[band].mean()) if band.any() else float("nan") for name, band in inside.items()}


def _fan(image: Image) -> NDArray[np.bool_]:
    # Closed first: black specks of the cavity are no holes in the sector.
    filled = ndimage.binary_closing(image > 0, iterations=3)
    return ndimage.binary_erosion(filled, iterations=4)


def speckle_width(image: Image, pixel: float) -> dict[str, float]:
    """Full width at half maximum of the residual's autocorrelation: along depth (mm) and angle (degrees)."""
    polar, step_mm, step_deg = to_polar(image, pixel)
    residual = polar - ndimage.gaussian_filter(polar, (RESIDUAL_MM / step_mm, _RESIDUAL_DEG / step_deg))
    # Below the bright near field and above the last tenth, where the border of the fan cuts in.
    inner = residual[round(30 / step_mm) : round(0.9 * len(polar))]
    return {
        "axial_fwhm_mm": _half_width(inner, 0) * step_mm,
        "lateral_fwhm_deg": _half_width(inner, 1) * step_deg,
    }


def to_polar(image: Image, pixel: float, step_mm: float = 0.25, step_deg: float = 0.25) -> tuple[Image, float, float]:
    """Resample a fan whose apex is the middle of the upper border to (depth, angle), within ±30 degrees."""
    height, width = image.shape
    radius = np.arange(0, height * pixel, step_mm)[:, None]
    angle = np.deg2rad(np.arange(-30, 30, step_deg))[None, :]
    rows = radius * np.cos(angle) / pixel - 0.5
    columns = radius * np.sin(angle) / pixel + width / 2 - 0.5
    return ndimage.map_coordinates(image, [rows, columns], order=1, mode="nearest"), step_mm, step_deg


def _half_width(field: Image, axis: int) -> float:
    """Twice the lag at which the autocorrelation along an axis falls to one half, in samples."""
    field = np.moveaxis(field, axis, 0)
    variance, last = float((field**2).mean()), 1.0
    for lag in range(1, len(field) // 2):
        value = float((field[lag:] * field[:-lag]).mean()) / variance
        if value < 0.5:
            # Between two lags by a straight line: a whole step more would be 0.5 mm, a quarter of the width.
            return 2 * (lag - 1 + (last - 0.5) / (last - value))
        last = value
    return float("nan")


def away_from_wall(masks: Image, pixel: float, margin_mm: float = 4.0) -> NDArray[np.bool_]:
    """Cavity pixels [T, H, W] at least a margin from its border, where the wall's point spread does not reach."""
    inside = masks == 1
    return np.stack([ndimage.distance_transform_edt(mask) > margin_mm / pixel for mask in inside])


def speckle_trace(frames: Image, pixel: float) -> Image:
    """Frames [T, H, W] less their local mean over ``TRACE_MM``."""
    sigma = TRACE_MM / pixel
    return frames - ndimage.gaussian_filter(frames, (0, sigma, sigma))


def temporal_correlation(frames: Image, inside: NDArray[np.bool_], lag: int) -> float:
    """Mean over frames of the correlation between frames a lag apart, over the pixels inside both; NaN where there are none.

    frames: float [T, H, W]; inside: bool [T, H, W]. Pixels are compared where they are: motion lowers the correlation.
    """
    values = []
    for first in range(len(frames) - lag):
        both = inside[first] & inside[first + lag]
        # A correlation over fewer pixels is mostly chance.
        if both.sum() > 50:
            values.append(np.corrcoef(frames[first][both], frames[first + lag][both])[0, 1])
    return float(np.mean(values)) if values else float("nan")
