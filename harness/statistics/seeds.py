"""Several seeds of one model: a second source of variance, resampled beside the patients and never pooled as cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.bootstrap import (
    RESAMPLES,
    SMALLEST_SAMPLE,
    Interval,
    Statistic,
    bootstrap_interval,
    mean_statistic,
    resampling_weights,
)


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """A statistic averaged over seeds, and where its uncertainty comes from.

    Attributes:
        interval: over patients x seeds (hierarchical) where there are several seeds, else over patients (BCa).
        patients: over patients alone (BCa), the seeds being taken as given.
        seed_sd: standard deviation (ddof = 1) of the seeds' values; NaN for one seed.
        seeds: number of seeds.
    """

    interval: Interval
    patients: Interval
    seed_sd: float
    seeds: int


def summarise(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95) -> SeedSummary:
    """Mean of ``values`` [n patients, seeds] (or [n], one seed); a patient with a NaN in any seed is left out."""
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    table = table[np.isfinite(table).all(axis=1)]
    means = [mean_statistic(column) for column in table.T]
    return summarise_statistics(means, len(table), resamples=resamples, seed=seed, level=level)


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
    independently. There is no agreed acceleration for two crossed factors: BCa and percentile fields hold the same
    limits. With two or three seeds the seeds' part is drawn too small by about (s-1)/s; the table shows the seeds' SD.
    """
    nothing = float("nan")
    point = float(np.mean([statistic(np.ones((1, n)))[0] for statistic in statistics])) if n else nothing
    if n < SMALLEST_SAMPLE or not np.isfinite(point):
        return Interval(point, nothing, nothing, nothing, nothing, n, level)
    patients = resampling_weights(n, resamples, seed)
    drawn = resampling_weights(len(statistics), resamples, seed + 1)
    per_seed = np.stack([statistic(patients) for statistic in statistics], axis=1)
    distribution = (per_seed * drawn).sum(axis=1) / len(statistics)
    distribution = distribution[np.isfinite(distribution)]
    low, high = (float(q) for q in np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2]))
    return Interval(point, low, high, low, high, n, level)
