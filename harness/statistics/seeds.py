"""Several seeds of one model: a second source of variance, resampled beside the patients and never pooled as cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from harness.statistics.bootstrap import (
    RESAMPLES,
    SMALLEST_SAMPLE,
    Floats,
    Interval,
    Statistic,
    bootstrap_interval,
    expanded_level,
    mean_interval,
    resampling_weights,
)
from harness.statistics.crossed import ArmSpread, arm_spread


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """A statistic averaged over seeds, and where its uncertainty comes from.

    Attributes:
        interval: over patients x seeds where there are several seeds, else over patients.
        patients: over patients alone, the seeds being taken as given.
        seed_sd: standard deviation (ddof = 1) of the seeds' values; NaN for one seed.
        seeds: number of seeds.
    """

    interval: Interval
    patients: Interval
    seed_sd: float
    seeds: int


def summarise(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95) -> SeedSummary:
    """Mean of ``values`` [n patients, seeds] (or [n], one seed); a patient with a NaN in any seed is left out.

    With several seeds both are random and crossed: the limits over patients (bootstrap-t) are moved out by the limit over
    seeds, in squares (G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", Stat. Med. 27, 2008).
    That of the seeds is Student's with s - 1 degrees of freedom: two seeds reach 12.7 standard errors, because two values
    say almost nothing about their spread.
    """
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    table = table[np.isfinite(table).all(axis=1)]
    patients = mean_interval(table.mean(axis=1), resamples=resamples, seed=seed, level=level)
    count = table.shape[1]
    if count < 2:
        return SeedSummary(patients, patients, float("nan"), count)
    spread = arm_spread(table)
    reach = seed_reach(spread, level)
    # Square-and-add: each limit keeps its own distance, so a skewed bootstrap interval stays skewed (Zou and Donner
    # 2008).
    low = patients.point - float(np.hypot(patients.point - patients.low, reach))
    high = patients.point + float(np.hypot(patients.high - patients.point, reach))
    return SeedSummary(replace(patients, low=low, high=high), patients, float(np.sqrt(spread.variance)), count)


def seed_reach(spread: ArmSpread, level: float = 0.95) -> float:
    """How far the mean over seeds may lie from that over all seeds; 0 where they differ by no more than patients' noise."""
    # The trainings' means vary by patients' noise too, which the patients' part of the interval holds already.
    between = spread.variance - spread.rest / spread.patients if spread.patients > 1 else spread.variance
    quantile = float(stdtrit(spread.trainings - 1, (1 + level) / 2))
    return quantile * float(np.sqrt(max(between, 0.0) / spread.trainings))


def summarise_statistics(
    statistics: Sequence[Statistic], n: int, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> SeedSummary:
    """Average over seeds of one statistic per seed (each a function of patient weights [R, n] -> [R])."""

    def average(weights: np.ndarray) -> np.ndarray:
        return np.mean([statistic(weights) for statistic in statistics], axis=0)

    patients = bootstrap_interval(average, n, resamples=resamples, seed=seed, level=level)
    if len(statistics) < 2:
        return SeedSummary(patients, patients, float("nan"), len(statistics))
    plain = np.ones((1, n))
    spread = float(np.std([statistic(plain)[0] for statistic in statistics], ddof=1)) if n else float("nan")
    both = hierarchical_interval(statistics, n, resamples=resamples, seed=seed, level=level)
    return SeedSummary(both, patients, spread, len(statistics))


def hierarchical_interval(
    statistics: Sequence[Statistic], n: int, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> Interval:
    """Percentile interval of the seeds' average when both patients and seeds are redrawn.

    Patients and seeds are crossed (every seed sees every patient), so each resample draws n patients and s seeds
    independently. Redrawing s seeds spreads their mean by (s-1)/s of its variance, a third too little for three: the
    seeds' part is widened by sqrt(s / (s-1)) (Davison and Hinkley 1997, section 3.8). The shape of so few draws stays
    coarse; the table shows the seeds' SD beside it. There is no agreed acceleration for two crossed factors: the limits are
    percentiles at the expanded level (``bootstrap.expanded_level``), without BCa's correction.
    """
    point = float(np.mean([statistic(np.ones((1, n)))[0] for statistic in statistics])) if n else float("nan")
    if n < SMALLEST_SAMPLE or not np.isfinite(point):
        return Interval.none(point, n, level)
    distribution = crossed_distribution(statistics, n, resamples=resamples, seed=seed)
    distribution = distribution[np.isfinite(distribution)]
    # Expanded as over patients alone: further trainings must not make an interval narrower than that of one.
    wide = expanded_level(n, level)
    low, high = (float(q) for q in np.quantile(distribution, [(1 - wide) / 2, (1 + wide) / 2]))
    plain = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
    return Interval(point, low, high, float(plain[0]), float(plain[1]), n, level)


def crossed_distribution(
    statistics: Sequence[Statistic], n: int, *, resamples: int, seed: int, offset: int = 1
) -> Floats:
    """The seeds' average over redrawn patients and seeds [R]; one seed leaves the patients alone.

    Equal ``n`` and ``seed`` share the draws of patients; ``offset`` chooses those of the seeds.
    """
    per_seed = np.stack([statistic(resampling_weights(n, resamples, seed)) for statistic in statistics], axis=1)
    centre, count = per_seed.mean(axis=1), len(statistics)
    if count < 2:
        return centre
    # An own stream: with the patients' one, resamples would pair the same seeds with the same patients.
    drawn = resampling_weights(count, resamples, seed + offset)
    away = (per_seed * drawn).sum(axis=1) / count - centre
    spread: Floats = centre + np.sqrt(count / (count - 1)) * away
    return spread
