"""Bootstrap confidence intervals over patients: BCa, with the percentile interval beside it.

Every statistic is written as a function of resampling weights, so that all resamples are evaluated in one matrix product:
``statistic(weights [R, n]) -> [R]``, where row r holds how often each patient was drawn (the ones are the plain sample).

Source: B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987), equations 2.3 and 6.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

RESAMPLES = 10_000
SMALLEST_SAMPLE = 10
"""Below this many patients no interval is given."""

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Interval:
    """A point estimate with its BCa limits and, beside them, the percentile limits.

    All limits are NaN when ``n`` is below ``SMALLEST_SAMPLE`` or the point itself is NaN.
    """

    point: float
    low: float
    high: float
    percentile_low: float
    percentile_high: float
    n: int
    level: float = 0.95

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


@lru_cache(maxsize=8)
def resampling_weights(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """How often each of ``n`` patients is drawn in each resample: float64 [resamples, n], rows sum to ``n``.

    The same arguments give the same (read-only) array, so that models compared on the same patients share their draws.
    """
    draws = np.random.default_rng(seed).integers(0, n, size=(resamples, n))
    flat = draws + n * np.arange(resamples)[:, None]
    weights = np.bincount(flat.ravel(), minlength=n * resamples).reshape(resamples, n).astype(np.float64)
    weights.flags.writeable = False
    return weights


def bca_limits(distribution: Floats, point: float, jackknife: Floats, level: float = 0.95) -> tuple[float, float]:
    """BCa limits from a bootstrap ``distribution`` [R], the ``point`` and the leave-one-out values ``jackknife`` [n].

    A distribution without spread gives (point, point). Where the point lies outside of the whole distribution the
    bias correction is infinite and both limits are NaN.
    """
    if np.ptp(distribution) == 0:
        return point, point
    below = (np.mean(distribution < point) + np.mean(distribution <= point)) / 2
    if not 0 < below < 1:
        return float("nan"), float("nan")
    bias = ndtri(below)
    centred = jackknife.mean() - jackknife
    spread = np.sum(centred**2) ** 1.5
    acceleration = np.sum(centred**3) / (6 * spread) if spread > 0 else 0.0
    tail = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    adjusted = ndtr(bias + (bias + tail) / (1 - acceleration * (bias + tail)))
    low, high = np.quantile(distribution, adjusted)
    return float(low), float(high)


def bootstrap_interval(
    statistic: Statistic, n: int, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of any statistic of ``n`` patients given as a function of resampling weights [R, n] -> [R].

    Resamples in which the statistic is undefined (NaN, for instance a correlation without spread) are left out.
    """
    point = float(statistic(np.ones((1, n)))[0]) if n else float("nan")
    nothing = float("nan")
    if n < SMALLEST_SAMPLE or not np.isfinite(point):
        return Interval(point, nothing, nothing, nothing, nothing, n, level)
    distribution = statistic(resampling_weights(n, resamples, seed))
    distribution = distribution[np.isfinite(distribution)]
    jackknife = statistic(np.ones((n, n)) - np.eye(n))
    low, high = bca_limits(distribution, point, jackknife[np.isfinite(jackknife)], level)
    plain = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
    return Interval(point, low, high, float(plain[0]), float(plain[1]), n, level)


def mean_statistic(values: Floats) -> Statistic:
    """The weighted mean of ``values`` [n] as a statistic of weights."""

    def mean(weights: Floats) -> Floats:
        return (weights @ values) / weights.sum(axis=1)

    return mean


def mean_interval(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95) -> Interval:
    """Mean over patients with its interval; ``values`` [n], one per patient. NaN patients are left out of ``n``."""
    sample = np.asarray(values, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    return bootstrap_interval(mean_statistic(sample), len(sample), resamples=resamples, seed=seed, level=level)
