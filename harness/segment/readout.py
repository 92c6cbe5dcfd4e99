"""What is read from the label maps of one view: area curve, end-diastole and end-systole, ejection fraction."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.evaluation.beats import find_beats
from harness.evaluation.clinical import (
    LongAxisProfile,
    area_length_ml,
    ejection_fraction,
    long_axis_profile,
    simpson_biplane_ml,
    simpson_single_ml,
)
from harness.evaluation.temporal import mean_or_nan

METHODS = {"single-plane Simpson": simpson_single_ml, "area-length": area_length_ml}
"""Volume of the left ventricle from one view, by the name that is shown; the first is the headline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """EF of one view by one method, over the beats of the clip.

    Attributes:
        method: a key of ``METHODS``.
        ef_percent: mean over the beats that have one; NaN where none has.
        ef_sd: over the same beats (ddof = 1); NaN below two.
        edv_ml, esv_ml: means; NaN where there is no pixel size.
        by_beat: EF of each beat in percent, NaN where a volume is missing.
    """

    method: str
    ef_percent: float
    edv_ml: float
    esv_ml: float
    ef_sd: float = math.nan
    by_beat: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredBeat:
    """Frames of ED and ES of a beat and the long-axis profile of the LV at each; None where a mask has none."""

    ed: int
    es: int
    end_diastole: LongAxisProfile | None
    end_systole: LongAxisProfile | None


def pixel_counts(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each structure of ``LABELS`` in a label map [H, W], in the order of their ids."""
    # Without the background, which has id 0.
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


def measure_beats(
    masks: NDArray[np.uint8], areas: NDArray[np.int64], spacing_mm: tuple[float, float] | None, rate_hz: float | None
) -> tuple[MeasuredBeat, ...]:
    """The beats of a clip from its label maps [T, H, W] and the LV's area in pixels [T]; empty where there is no beat.

    Without a pixel size pixels count as squares of 1 mm, which leaves EF right and lengths meaningless.
    """
    lv, spacing = LABELS["lv"], spacing_mm or (1.0, 1.0)
    return tuple(
        MeasuredBeat(
            ed=beat.ed,
            es=beat.es,
            end_diastole=long_axis_profile(masks[beat.ed] == lv, spacing),
            end_systole=long_axis_profile(masks[beat.es] == lv, spacing),
        )
        for beat in find_beats(areas, rate_hz)
    )


def estimate_ef(beats: Sequence[MeasuredBeat], *, metric: bool) -> tuple[Estimate, ...]:
    """EF of one view, one estimate per method; volumes are left out (NaN) unless ``metric``.

    EF is a ratio of volumes, so it does not need a pixel size but only its proportions.
    """
    if not beats:
        return ()
    return tuple(
        _over_beats(method, [(volume(beat.end_diastole), volume(beat.end_systole)) for beat in beats], metric=metric)
        for method, volume in METHODS.items()
    )


def biplane_ef(two_chamber: Sequence[MeasuredBeat], four_chamber: Sequence[MeasuredBeat]) -> Estimate:
    """Biplane EF, every beat of one view with every beat of the other: the views are not filmed together."""
    # No beat of one view belongs to a beat of the other, so none is preferred.
    pairs = itertools.product(two_chamber, four_chamber)
    volumes = [
        (
            simpson_biplane_ml(two.end_diastole, four.end_diastole),
            simpson_biplane_ml(two.end_systole, four.end_systole),
        )
        for two, four in pairs
    ]
    return _over_beats("biplane Simpson", volumes, metric=True)


def _over_beats(method: str, volumes: Sequence[tuple[float, float]], *, metric: bool) -> Estimate:
    # EF of each beat, then the mean: the ratio of mean volumes would let beats of large volume weigh more.
    by_beat = np.array([ejection_fraction(*pair) for pair in volumes])
    there = by_beat[np.isfinite(by_beat)]
    edv, esv = (mean_or_nan([pair[index] for pair in volumes]) if metric else math.nan for index in (0, 1))
    return Estimate(
        method=method,
        ef_percent=mean_or_nan(by_beat),
        ef_sd=float(there.std(ddof=1)) if len(there) > 1 else math.nan,
        edv_ml=edv,
        esv_ml=esv,
        by_beat=tuple(float(value) for value in by_beat),
    )
