"""What a sweep says: pure functions from its rows to values per patient and from those to numbers with intervals.

The unit of every statistic is the patient: frames, phases and views of a patient are averaged first. ``severity`` 0 is the
clean image (``perturbation`` "clean"). Dice, failure and flicker are shown in percent, EF errors in EF points, HD95 in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from harness.robustness.perturbations.base import SEVERITIES
from harness.robustness.sweep import CLEAN
from harness.statistics.bootstrap import Interval, bootstrap_interval
from harness.statistics.paired import DICE_MARGIN
from harness.statistics.patients import ef_methods

FAILED_DICE = 0.5
CONDITION = ["perturbation", "severity"]
Wide = pd.DataFrame
"""Values per patient (index) and condition (columns: perturbation, severity)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readout:
    """A quantity of a sweep: ``key`` in files, words and unit for people, whether more is better."""

    key: str
    header: str
    unit: str
    higher: bool
    digits: int = 1
    margin: float = 0.0


DICE = Readout(key="dice", header="Dice", unit="%", higher=True, margin=100 * DICE_MARGIN)
FAILURE = Readout(key="failure", header="Failures", unit="%", higher=False)
EF = Readout(key="ef_error", header="EF error", unit="points", higher=False)
HD95 = Readout(key="hd95_mm", header="HD95", unit="mm", higher=False, digits=2)
HD95_PX = Readout(key="hd95_px", header="HD95", unit="px", higher=False, digits=2)
FLIPS = Readout(key="flip_rate", header="Flicker", unit="%", higher=False, digits=2)
READOUTS = (DICE, FAILURE, EF, HD95, HD95_PX, FLIPS)


def patient_values(rows: pd.DataFrame, readout: Readout, structure: str = "lv") -> Wide:
    """One value per patient and condition of one run's rows (``SWEEP_COLUMNS``).

    ``dice``, ``hd95_*``, ``flip_rate``: mean over frames, then over views; undefined cases (NaN) are left out.
    ``failure``: share of a patient's labelled frames with a Dice below 0.5 or one of the two masks empty.
    ``ef_error``: absolute difference of the predicted EF and that of the reference masks by the preferred method that
    the rows hold; NaN where no EF could be computed. A quantity that does not occur gives an empty table.
    """
    if readout.key == EF.key:
        return _ef_error(rows)
    name = "dice" if readout.key == FAILURE.key else readout.key
    chosen = rows[(rows["metric"] == name) & rows["structure"].isin([structure, ""])]
    if readout.key == FAILURE.key:
        chosen = chosen.assign(value=np.where(chosen["value"].isna(), np.nan, chosen["value"] < FAILED_DICE))
    by_view = chosen.groupby(["patient", "view", *CONDITION])["value"].mean()
    wide = by_view.groupby(["patient", *CONDITION]).mean().unstack(CONDITION)
    return wide * (100.0 if readout.unit == "%" else 1.0)


def _ef_error(rows: pd.DataFrame) -> Wide:
    methods = ef_methods(rows)
    if not methods:
        return pd.DataFrame()
    parts = {}
    for source in ("predicted", "reference"):
        values = rows[rows["metric"] == f"ef_{methods[0]}_{source}"]
        parts[source] = values.groupby(["patient", *CONDITION])["value"].mean()
    difference = (parts["predicted"] - parts["reference"]).abs()
    return difference.unstack(CONDITION)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One model of a comparison.

    Attributes:
        label: its name in tables.
        seeds: rows of each seed's sweep.
        seen: perturbations that its training used as augmentation.
        structure: the structure whose values are read.
    """

    label: str
    seeds: tuple[pd.DataFrame, ...]
    seen: frozenset[str] = frozenset()
    structure: str = "lv"
    _cache: dict[str, Wide] = field(default_factory=dict, compare=False, repr=False)

    def values(self, readout: Readout) -> Wide:
        """Patient values, averaged over seeds; a patient that one seed lacks is left out. Empty where not measured."""
        if readout.key not in self._cache:
            tables = [patient_values(rows, readout, self.structure) for rows in self.seeds]
            self._cache[readout.key] = sum(tables[1:], tables[0]) / len(tables)
        return self._cache[readout.key]

    @cached_property
    def perturbations(self) -> list[str]:
        """Perturbations that were swept, in alphabetical order."""
        return sorted({str(name) for rows in self.seeds for name in rows["perturbation"].unique()} - {CLEAN})


def clean(wide: Wide) -> pd.Series:
    """Values of the clean image per patient; NaN where they were not measured."""
    found: pd.Series = wide[(CLEAN, 0)] if (CLEAN, 0) in wide else pd.Series(np.nan, index=wide.index)
    return found


def at(wide: Wide, perturbation: str, severity: int) -> pd.Series:
    """Values under one condition per patient; severity 0 is the clean image. NaN where it was not measured."""
    if severity == 0:
        return clean(wide)
    found: pd.Series = wide.get((perturbation, severity), pd.Series(np.nan, index=wide.index))
    return found


def mean_of(wide: Wide, perturbations: Sequence[str], severities: Sequence[int] = SEVERITIES) -> pd.Series:
    """Mean over severities of each perturbation, then over perturbations, per patient.

    NaN where a patient lacks any of these conditions: every mean is over the same conditions.
    """
    columns = [at(wide, name, severity) for name in perturbations for severity in severities]
    return pd.concat(columns, axis=1).mean(axis=1, skipna=False)


def curve_area(wide: Wide, perturbation: str, severities: Sequence[int] = SEVERITIES) -> pd.Series:
    """Area under the curve over severity 0 to the largest (trapezoids), divided by its width: on the values' own scale."""
    steps = [0, *severities]
    curve = pd.concat([at(wide, perturbation, severity) for severity in steps], axis=1).to_numpy(float)
    return pd.Series(np.trapezoid(curve, x=steps, axis=1) / (steps[-1] - steps[0]), index=wide.index)


def drop(wide: Wide, values: pd.Series, higher: bool) -> pd.Series:
    """What is lost against the clean image, per patient: positive is worse, for any quantity."""
    loss = clean(wide) - values
    return loss if higher else -loss


def interval(values: pd.Series, resamples: int = 10_000) -> Interval:
    """Mean over patients with its 95 % BCa interval; NaN patients are left out."""
    sample = values.to_numpy(float)
    sample = sample[np.isfinite(sample)]
    return bootstrap_interval(lambda w: (w @ sample) / w.sum(axis=1), len(sample), resamples=resamples)


def relative_performance(wide: Wide, perturbed: pd.Series, resamples: int = 10_000) -> Interval:
    """rPC in percent: mean perturbed performance over mean clean performance, on the same patients.

    Michaelis et al., "Benchmarking robustness in object detection", 2019. For quantities of which more is better.
    """
    both = pd.concat([perturbed, clean(wide)], axis=1).dropna().to_numpy(float)
    top, bottom = both.T if len(both) else (np.empty(0), np.empty(0))
    return bootstrap_interval(lambda w: 100 * (w @ top) / (w @ bottom), len(both), resamples=resamples)


def relative_drop(own: float, reference: float, smallest: float = 1.0) -> float:
    """A model's drop in percent of the reference model's; NaN where the reference drops by no more than ``smallest``.

    The idea of the corruption error (Hendrycks and Dietterich, ICLR 2019), without its division by almost nothing.
    """
    return 100 * own / reference if reference > smallest else float("nan")
