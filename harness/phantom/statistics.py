"""Measuring a root in the CAMUS layout: are the phantom's pictures like real ones?

Everything is measured from the files, so that the same functions measure real CAMUS and the phantom.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from harness.errors import DataError
from harness.phantom.measures import (
    away_from_wall,
    geometry,
    grey_levels,
    speckle_trace,
    speckle_width,
    temporal_correlation,
)
from harness.phantom.reading import read_info, read_pixels

TARGETS: dict[str, tuple[float, float, float]] = {
    "half_angle_deg": (34, 37, 40),
    "depth_mm": (110, 150, 189),
    "fan_share": (0.53, 0.54, 0.55),
    "lv_area_ed_cm2": (19.5, 28.9, 41.7),
    "lv_area_es_cm2": (11, 18.2, 30.9),
    "lv_length_ed_mm": (65, 80, 96),
    "lv_length_es_mm": (53, 67, 84),
    "lv_width_ed_mm": (36, 46, 60),
    "lv_width_es_mm": (25, 36, 51),
    "tilt_ed_deg": (1, 12, 27),
    "apex_depth_ed_mm": (20, 30, 43),
    "shortening_percent": (6, 15, 25),
    "area_change_percent": (17, 36, 50),
    "myo_area_ed_cm2": (17, 23.5, 32),
    "myo_area_ratio": (0.85, 0.96, 1.10),
    "la_area_ed_cm2": (3.5, 12, 26),
    "la_area_es_cm2": (7, 17, 30),
    "ef_percent": (24.3, 44.2, 63.9),
    "frame_rate_hz": (48, 53, 63),
    "frames": (13, 18, 24),
    "systole_ms": (230, 314, 407),
    "grey_cavity": (34, 60, 92),
    "grey_myocardium": (65, 98, 135),
    "grey_contrast": (21, 38, 56),
    "grey_0_30_mm": (np.nan, 110, np.nan),
    "grey_30_140_mm": (np.nan, 82, np.nan),
    "grey_beyond_140_mm": (np.nan, np.nan, np.nan),
    "residual_cavity": (10, 12, 17),
    "residual_myocardium": (14, 18, 22),
    "axial_fwhm_mm": (1.4, 1.9, 2.5),
    "lateral_fwhm_deg": (2.2, 2.8, 3.6),
}
"""5, 50 and 95 percentiles to reach, measured on CAMUS 4CH (the EF's from its mean and deviation; the middle of the frame rate
and of the two speckle widths is interpolated, only their ends are known)."""

CORRELATIONS = {
    "myocardium": (0.72, 0.58, 0.51, 0.47, 0.45),
    "cavity": (0.0, 0.0, 0.0, 0.0, 0.0),
    "near_field": (0.65, 0.52, 0.44, 0.40, 0.39),
}
"""Temporal correlations at lags of 1 to 5 frames to reach."""


def describe(root: Path | str, *, view: str = "4CH", limit: int | None = None) -> pd.DataFrame:
    """Percentiles of a root's statistics beside those of CAMUS.

    Args:
        root: a root in the CAMUS NIfTI layout; half sequences and cfg files may be absent (their rows are then NaN).
        view: the view to measure.
        limit: measure only the first so many patients.

    Returns:
        One row per quantity: ``p5 p50 p95`` as measured, ``target_p5 target_p50 target_p95``, and ``n``, the number of
        patients measured. Correlations have a target for the median only.

    Raises:
        DataError: the root holds no patient.
    """
    table = measure(root, view=view, limit=limit)
    rows = {name: _row(table.get(name), target) for name, target in _all_targets().items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def measure(root: Path | str, *, view: str = "4CH", limit: int | None = None) -> pd.DataFrame:
    """One row of measurements per patient, columns as in ``describe`` plus ``patient``; see there for the arguments."""
    folders = sorted((Path(root) / "database_nifti").glob("patient*"))[:limit]
    if not folders:
        raise DataError(f"{root} holds no folder database_nifti/patient*; give a root in the CAMUS layout.")
    return pd.DataFrame([_patient(folder, view) for folder in folders])


def _all_targets() -> dict[str, tuple[float, float, float]]:
    lags = {
        f"correlation_{region}_{lag}": (np.nan, value, np.nan)
        for region, values in CORRELATIONS.items()
        for lag, value in enumerate(values, 1)
    }
    return TARGETS | lags


def _row(values: pd.Series | None, target: tuple[float, float, float]) -> dict[str, float]:
    found = np.empty(0) if values is None else values.dropna().to_numpy(float)
    measured = np.percentile(found, (5, 50, 95)) if len(found) else np.full(3, np.nan)
    named = dict(zip(("p5", "p50", "p95"), measured, strict=True))
    return named | dict(zip(("target_p5", "target_p50", "target_p95"), target, strict=True)) | {"n": len(found)}


def _patient(folder: Path, view: str) -> dict[str, float | str]:
    stem = f"{folder.name}_{view}"
    values: dict[str, float | str] = {"patient": folder.name}
    shapes = {}
    for phase in ("ed", "es"):
        mask, pixel = read_pixels(folder / f"{stem}_{phase.upper()}_gt.nii.gz")
        shapes[phase] = geometry(mask, pixel)
        values |= {name.replace("@", phase): value for name, value in shapes[phase].items()}
        if phase == "ed":
            image, _ = read_pixels(folder / f"{stem}_ED.nii.gz")
            values |= grey_levels(image, mask, pixel) | speckle_width(image, pixel)
    values |= _changes(values)
    values |= _sequence(folder, stem) | _info(folder, view)
    return values


def _changes(values: dict[str, float | str]) -> dict[str, float]:
    def ratio(name: str) -> float:
        return float(values[name.replace("@", "es")]) / float(values[name.replace("@", "ed")])

    return {
        "shortening_percent": 100 * (1 - ratio("lv_length_@_mm")),
        "area_change_percent": 100 * (1 - ratio("lv_area_@_cm2")),
        "myo_area_ratio": ratio("myo_area_@_cm2"),
    }


def _sequence(folder: Path, stem: str) -> dict[str, float]:
    path = folder / f"{stem}_half_sequence.nii.gz"
    masks = folder / f"{stem}_half_sequence_gt.nii.gz"
    if not path.is_file() or not masks.is_file():
        return {}
    frames, pixel = read_pixels(path)
    return dict(_lags(frames, read_pixels(masks)[0], pixel))


def _lags(frames: NDArray[np.float32], masks: NDArray[np.float32], pixel: float) -> Iterator[tuple[str, float]]:
    height, width = frames.shape[1:]
    y, x = np.ogrid[:height, :width]
    depth = np.hypot((y + 0.5) * pixel, (x + 0.5 - width / 2) * pixel)
    fan = ndimage.binary_erosion(frames.max(0) > 0, iterations=3)
    trace = speckle_trace(frames, pixel)
    regions = {
        "myocardium": masks == 2,
        "cavity": away_from_wall(masks, pixel),
        "near_field": (masks == 0) & (depth > 5) & (depth < 25),
    }
    for name, inside in regions.items():
        for lag in range(1, 6):
            yield f"correlation_{name}_{lag}", temporal_correlation(trace, inside & fan, lag)


def _info(folder: Path, view: str) -> dict[str, float]:
    info = read_info(folder / f"Info_{view}.cfg")
    if not info:
        return {}
    frames, rate = float(info["NbFrame"]), float(info["FrameRate"])
    return {
        "ef_percent": float(info["EF"]),
        "frame_rate_hz": rate,
        "frames": frames,
        "systole_ms": 1000 * (frames - 1) / rate,
    }
