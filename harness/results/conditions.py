"""Values of a sweep over its conditions: means, losses and areas per patient, and their intervals.

``Wide`` tables hold one value per patient (index) and condition (columns: perturbation, severity), as ``Arm.under`` gives
them; severity 0 is the clean image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd

from harness.results.arm import Arm
from harness.results.measures import DICE, Measure
from harness.results.result_set import ResultSet
from harness.results.sweep import DECIMALS
from harness.statistics.bootstrap import Interval, bootstrap_interval, mean_interval, mean_statistic
from harness.statistics.failures import mean_share
from harness.statistics.seeds import summarise
from harness.store.formats.sweep import CLEAN

Wide = pd.DataFrame


def clean(wide: Wide) -> pd.Series:
    """Values of the clean image per patient; NaN where they were not measured."""
    return at(wide, CLEAN, 0)


def at(wide: Wide, perturbation: str, severity: int) -> pd.Series:
    """Values under one condition per patient; severity 0 is the clean image. NaN where it was not measured."""
    # Every curve begins at the same clean image, whatever its perturbation.
    key = (perturbation, severity) if severity else (CLEAN, 0)
    return wide[key] if key in wide else pd.Series(np.nan, index=wide.index)


def mean_of(wide: Wide, perturbations: Sequence[str], severities: Sequence[int]) -> pd.Series:
    """Mean over severities of each perturbation, then over perturbations, per patient.

    NaN where a patient lacks any of these conditions: every mean is over the same conditions.
    """
    # With skipna a patient who fails under the hardest fault would look better than one who answers.
    return _columns(wide, perturbations, severities).mean(axis=1, skipna=False)


def available_mean(wide: Wide, perturbations: Sequence[str], severities: Sequence[int]) -> pd.Series:
    """Mean over the conditions in which a patient has a value: EF and HD95 may be undefined where a mask is empty."""
    return _columns(wide, perturbations, severities).mean(axis=1)


def _columns(wide: Wide, perturbations: Sequence[str], severities: Sequence[int]) -> pd.DataFrame:
    return pd.concat([at(wide, name, severity) for name in perturbations for severity in severities], axis=1)


def curve_area(wide: Wide, perturbation: str, severities: Sequence[int]) -> pd.Series:
    """Area under the curve over severity 0 to the largest (trapezoids), divided by its width: on the values' own scale."""
    steps = [0, *severities]
    curve = pd.concat([at(wide, perturbation, severity) for severity in steps], axis=1).to_numpy(float)
    # Divided by its width: curves over three severities and over five stand on one scale.
    return pd.Series(np.trapezoid(curve, x=steps, axis=1) / (steps[-1] - steps[0]), index=wide.index)


def drop(wide: Wide, values: pd.Series, higher: bool) -> pd.Series:
    """What is lost against the clean image, per patient: positive is worse, for any measure."""
    loss = clean(wide) - values
    return loss if higher else -loss


def lost(wide: Wide, perturbations: Sequence[str], severities: Sequence[int], higher: bool = True) -> pd.Series:
    """What the mean over conditions has lost against the clean image, per patient; positive is worse."""
    return drop(wide, mean_of(wide, perturbations, severities), higher)


def mean_drops(results: ResultSet, arm: Arm, measure: Measure = DICE) -> pd.Series:
    """Mean loss against the clean image per perturbation (index), over severities and patients; positive is worse."""
    wide = arm.under(measure)
    lost = {
        name: drop(wide, mean_of(wide, [name], results.severities), measure.higher).mean()
        for name in results.perturbations
    }
    return pd.Series(lost, dtype=float)


def interval(values: pd.Series, measure: Measure = DICE, resamples: int = 10_000) -> Interval:
    """Mean over patients of a measure's displayed values with its 95 % interval; NaN patients are left out.

    The interval is bootstrap-t (``statistics.bootstrap.mean_interval``), of a rate of failures the exact one over patients
    (``statistics.failures.mean_share``): resampling patients who all succeeded finds no uncertainty at all.
    """
    sample = values.to_numpy(float)
    if measure.is_rate:
        return _rate_interval(sample[np.isfinite(sample)], measure.scale)
    return _mean_interval(sample[np.isfinite(sample)].tobytes(), resamples)


def estimate(arm: Arm, measure: Measure, statistic: Callable[[Wide], pd.Series], shown: Measure = DICE) -> Interval:
    """Mean over patients and trainings of ``statistic`` of an arm's values, with its 95 % interval.

    Several trainings are a second source of variance, as in the main table (``statistics.seeds.summarise``); the exact limits of a
    rate are over patients.

    Args:
        statistic: of one training's values [patients, conditions], per patient.
        shown: whose values these are, in their displayed unit: of a rate the limits are exact.
    """
    return mean_over(arm.by_training(measure, statistic), shown)


def mean_over(values: pd.DataFrame, measure: Measure = DICE) -> Interval:
    """Mean of displayed values [patients, trainings] with its 95 % interval, over trainings too where there are several."""
    if values.shape[1] < 2 or measure.is_rate:
        return interval(values.mean(axis=1, skipna=False) if values.size else pd.Series(dtype=float), measure)
    return summarise(values.to_numpy(float)).interval


def _rate_interval(sample: np.ndarray, scale: float) -> Interval:
    exact = mean_share(sample / scale)
    point = float(mean_statistic(sample)(np.ones((1, exact.n)))[0]) if exact.n else float("nan")
    # Shares are stored with so many decimals, which the limits cannot be finer than.
    low, high = (round(scale * limit, DECIMALS) for limit in (exact.low, exact.high))
    return replace(exact, point=point, low=low, high=high)


@lru_cache(maxsize=16_384)
def _mean_interval(content: bytes, resamples: int) -> Interval:
    """Tables and figures ask for the same intervals: each is drawn once."""
    # Bytes are hashable and arrays are not: the cache needs a key.
    return mean_interval(np.frombuffer(content), resamples=resamples)


def relative_performance(wide: Wide, perturbed: pd.Series, resamples: int = 10_000) -> Interval:
    """rPC in percent: mean perturbed performance over mean clean performance, on the same patients.

    Michaelis et al., "Benchmarking robustness in object detection", 2019. For measures of which more is better.
    """
    both = pd.concat([perturbed, clean(wide)], axis=1).dropna().to_numpy(float)
    top, bottom = both.T if len(both) else (np.empty(0), np.empty(0))
    return bootstrap_interval(lambda w: 100 * (w @ top) / (w @ bottom), len(both), resamples=resamples)


def relative_drop(loss: float, reference: float, smallest: float = 1.0) -> float:
    """A model's drop in percent of the reference model's; NaN where the reference drops by no more than ``smallest``.

    The idea of the corruption error (Hendrycks and Dietterich, ICLR 2019), without its division by almost nothing.
    """
    # Hendrycks divides whatever the reference loses; half a point of noise would become hundreds of percent.
    return 100 * loss / reference if reference > smallest else float("nan")
