"""What is read from the label maps of one view: area curve, end-diastole and end-systole, ejection fraction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.evaluation.clinical import area_length_ml, ejection_fraction, long_axis_profile, simpson_single_ml

METHODS = {"single-plane Simpson": simpson_single_ml, "area-length": area_length_ml}
"""Volume of the left ventricle from one view, by the name that is shown; the first is the headline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """EF of one view by one method.

    Attributes:
        method: a key of ``METHODS``.
        ef_percent: NaN where a volume is missing.
        edv_ml, esv_ml: NaN where there is no pixel size.
    """

    method: str
    ef_percent: float
    edv_ml: float
    esv_ml: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Phases:
    """Frames of the largest and smallest LV area; ``empty`` counts frames without any LV, which are left out."""

    ed: int
    es: int
    empty: int


def pixel_counts(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each structure of ``LABELS`` in a label map [H, W], in the order of their ids."""
    return np.bincount(labels.ravel(), minlength=max(LABELS.values()) + 1)[1:]


def area_table(
    counts: NDArray[np.int64],
    structures: Sequence[str],
    spacing_mm: tuple[float, float] | None,
    frame_rate_hz: float | None,
) -> pd.DataFrame:
    """Area curve: ``frame``, ``time_s`` (empty where the frame rate is unknown) and one column per structure.

    Args:
        counts: [T, structures of LABELS], from ``pixel_counts``.

    Returns:
        Columns are ``<structure>_cm2`` with a pixel size and ``<structure>_px2`` without.
    """
    # 100 mm² are 1 cm².
    unit, factor = ("px2", 1.0) if spacing_mm is None else ("cm2", spacing_mm[0] * spacing_mm[1] / 100)
    frames = np.arange(len(counts))
    table = pd.DataFrame({"frame": frames, "time_s": frames / frame_rate_hz if frame_rate_hz else math.nan})
    for name in structures:
        table[f"{name}_{unit}"] = counts[:, LABELS[name] - 1] * factor
    return table


def find_phases(areas: NDArray[np.float64]) -> Phases | None:
    """ED and ES of an LV area curve [T]: its largest and its smallest value that is not zero; ties to the first.

    None where fewer than two frames hold any LV or the area never changes.
    """
    # A frame without LV is a failure of the model, not an end-systole of size zero.
    filled = areas > 0
    if np.count_nonzero(filled) < 2 or np.ptp(areas[filled]) == 0:
        return None
    # inf keeps the empty frames out of the search without shifting indices.
    es = int(np.where(filled, areas, np.inf).argmin())
    return Phases(ed=int(areas.argmax()), es=es, empty=int(np.count_nonzero(~filled)))


def estimate_ef(
    end_diastole: NDArray[np.bool_], end_systole: NDArray[np.bool_], spacing_mm: tuple[float, float] | None
) -> tuple[Estimate, ...]:
    """EF of one view from its LV masks [H, W], one estimate per method.

    EF is a ratio of volumes, so it does not need a pixel size but only its proportions: without one, pixels are
    taken as square and the volumes are left out (NaN).
    """
    # The ratio of two volumes needs no unit, only square pixels.
    profiles = [long_axis_profile(mask, spacing_mm or (1.0, 1.0)) for mask in (end_diastole, end_systole)]
    estimates = []
    for method, volume in METHODS.items():
        edv, esv = (volume(profile) for profile in profiles)
        shown = (edv, esv) if spacing_mm else (math.nan, math.nan)
        ef = ejection_fraction(edv, esv)
        estimates.append(Estimate(method=method, ef_percent=ef, edv_ml=shown[0], esv_ml=shown[1]))
    return tuple(estimates)
