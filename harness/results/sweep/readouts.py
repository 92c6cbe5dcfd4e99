"""What a sweep says: pure functions from its rows to values per patient and from those to numbers with intervals.

The unit of every statistic is the patient: frames, phases and views of a patient are averaged first. ``severity`` 0 is the
clean image (``perturbation`` "clean"). Dice, failure and flicker are shown in percent, EF errors in EF points, HD95 in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from harness.results.sweep.patients import CONDITION, Readout
from harness.perturbations.base import SEVERITIES
from harness.experiments.sweep.sweep import CLEAN
from harness.statistics.bootstrap import Interval, bootstrap_interval

Wide = pd.DataFrame
"""Values per patient (index) and condition (columns: perturbation, severity)."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One model of a comparison.

    Attributes:
        label: its name in tables.
        seeds: the table of each seed's patients (``patients.patient_table``).
        seen: perturbations that its training used as augmentation.
        plain: label of the arm whose training differs in that augmentation alone, empty where there is none.
    """

    label: str
    seeds: tuple[pd.DataFrame, ...]
    seen: frozenset[str] = frozenset()
    plain: str = ""
    _cache: dict[str, Wide] = field(default_factory=dict, compare=False, repr=False)

    def values(self, readout: Readout) -> Wide:
        """Patient values, averaged over seeds; a patient that one seed lacks is NaN. Empty where not measured."""
        if readout.key not in self._cache:
            tables = [wide_values(table, readout) for table in self.seeds]
            self._cache[readout.key] = sum(tables[1:], tables[0]) / len(tables)
        return self._cache[readout.key]

    @cached_property
    def conditions(self) -> set[tuple[str, int]]:
        """(perturbation, severity) that every seed was swept under, the clean one left out."""
        found = [set(zip(table["perturbation"], table["severity"], strict=True)) for table in self.seeds]
        return set.intersection(*found) - {(CLEAN, 0)}


def wide_values(table: pd.DataFrame, readout: Readout) -> Wide:
    """A run's patient table, one quantity: patients by conditions. Empty where it was not measured."""
    if readout.key not in table:
        return pd.DataFrame()
    return table.set_index(["patient", *CONDITION])[readout.key].unstack(CONDITION)


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


def available_mean(wide: Wide, perturbations: Sequence[str], severities: Sequence[int] = SEVERITIES) -> pd.Series:
    """Mean over the conditions in which a patient has a value: EF and HD95 may be undefined where a mask is empty."""
    columns = [at(wide, name, severity) for name in perturbations for severity in severities]
    return pd.concat(columns, axis=1).mean(axis=1)


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
    return _mean_interval(sample[np.isfinite(sample)].tobytes(), resamples)


@lru_cache(maxsize=16_384)
def _mean_interval(content: bytes, resamples: int) -> Interval:
    """Tables and figures ask for the same intervals: each is drawn once."""
    sample = np.frombuffer(content)
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
