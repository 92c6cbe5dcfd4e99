"""Several seeds of one model: a second source of variance, resampled beside the patients and never pooled as cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from harness.statistics.bootstrap import (
    RESAMPLES,
    SMALLEST_SAMPLE,
    Floats,
    Interval,
    expanded_bca,
    expanded_level,
    mean_intervals,
    resampling_weights,
    without_each,
)
from harness.statistics.crossed import ArmSpread, arm_spread

Statistics = Callable[[Floats], Floats]
"""Several statistics of every seed as a function of patients' weights: [R, n] -> [R, statistics, seeds]."""


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
    return summarise_all([values], resamples=resamples, seed=seed, level=level)[0]


def summarise_all(
    samples: Sequence[ArrayLike], *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> list[SeedSummary]:
    """``summarise`` of several measures; those of equally many patients are resampled together."""
    tables = [np.asarray(values, dtype=np.float64) for values in samples]
    tables = [table[:, None] if table.ndim == 1 else table for table in tables]
    tables = [table[np.isfinite(table).all(axis=1)] for table in tables]
    means = [table.mean(axis=1) for table in tables]
    intervals = mean_intervals(means, resamples=resamples, seed=seed, level=level)
    return [_with_seeds(table, one, level) for table, one in zip(tables, intervals, strict=True)]


def _with_seeds(table: Floats, patients: Interval, level: float) -> SeedSummary:
    """The interval over patients moved out by the spread of the seeds."""
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
    statistics: Statistics, n: int, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> list[SeedSummary]:
    """Averages over seeds of several statistics, one summary each; they share their draws of patients and of seeds."""
    plain = statistics(np.ones((1, n)))[0]
    count = plain.shape[1]
    spreads = plain.std(axis=1, ddof=1) if count > 1 else np.full(len(plain), np.nan)
    points = plain.mean(axis=1)
    if n < SMALLEST_SAMPLE:
        few = [Interval.none(float(point), n, level) for point in points]
        return [SeedSummary(one, one, float(spread), count) for one, spread in zip(few, spreads, strict=True)]
    drawn, without = statistics(resampling_weights(n, resamples, seed)), statistics(without_each(n))
    found = []
    for k, (point, spread) in enumerate(zip(points, spreads, strict=True)):
        if not np.isfinite(point):
            patients = both = Interval.none(float(point), n, level)
        else:
            patients = expanded_bca(drawn[:, k].mean(axis=1), float(point), without[:, k].mean(axis=1), n, level)
            both = (
                hierarchical_interval(drawn[:, k], float(point), n, seed=seed, level=level) if count > 1 else patients
            )
        found.append(SeedSummary(both, patients, float(spread), count))
    return found


def hierarchical_interval(per_seed: Floats, point: float, n: int, *, seed: int = 0, level: float = 0.95) -> Interval:
    """Percentile interval of the seeds' average when both patients and seeds are redrawn.

    Patients and seeds are crossed (every seed sees every patient), so each resample draws n patients and s seeds
    independently. Redrawing s seeds spreads their mean by (s-1)/s of its variance, a third too little for three: the
    seeds' part is widened by sqrt(s / (s-1)) (Davison and Hinkley 1997, section 3.8). The shape of so few draws stays
    coarse; the table shows the seeds' SD beside it. There is no agreed acceleration for two crossed factors: the limits are
    percentiles at the expanded level (``bootstrap.expanded_level``), without BCa's correction.

    Args:
        per_seed: the statistic over redrawn patients [R, seeds].
        point: the seeds' average over the sample of ``n`` patients itself.
    """
    distribution = crossed_distribution(per_seed, seed=seed)
    distribution = distribution[np.isfinite(distribution)]
    # Expanded as over patients alone: further trainings must not make an interval narrower than that of one.
    wide = expanded_level(n, level)
    low, high = (float(q) for q in np.quantile(distribution, [(1 - wide) / 2, (1 + wide) / 2]))
    plain = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
    return Interval(point, low, high, float(plain[0]), float(plain[1]), n, level)


def crossed_distribution(per_seed: Floats, *, seed: int, offset: int = 1) -> Floats:
    """The seeds' average over redrawn patients and seeds [R], from each seed's value over redrawn patients [R, seeds].

    One seed leaves the patients alone. Equal ``seed`` shares the draws; ``offset`` chooses those of the seeds.
    """
    centre, (resamples, count) = per_seed.mean(axis=1), per_seed.shape
    if count < 2:
        return np.asarray(centre)
    # An own stream: with the patients' one, resamples would pair the same seeds with the same patients.
    drawn = resampling_weights(count, resamples, seed + offset)
    away = (per_seed * drawn).sum(axis=1) / count - centre
    spread: Floats = centre + np.sqrt(count / (count - 1)) * away
    return spread
