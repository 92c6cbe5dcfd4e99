"""Bootstrap confidence intervals over patients: bootstrap-t for means, expanded BCa for everything else.

Which of them keeps 95 % for which n and shape is in ``docs/statistics.md`` (``benchmarks/interval_simulation.py``). The plain
percentile interval is kept beside both.

Every statistic is written as a function of resampling weights, so that all resamples are evaluated in one matrix product:
``statistic(weights [R, n]) -> [R]``, where row r holds how often each patient was drawn (the ones are the plain sample).

Sources: B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987), equations 2.3 and 6.6; T. C. Hesterberg, "What
teachers should know about the bootstrap", Am. Stat. 69 (2015), section 4, for bootstrap-t and the expanded level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtrit

RESAMPLES = 10_000
SMALLEST_SAMPLE = 10
"""Below this many patients no interval is given."""

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Interval:
    """A point estimate with its limits (bootstrap-t of a mean, else expanded BCa) and, beside them, the percentile limits.

    All limits are NaN when ``n`` is below ``SMALLEST_SAMPLE`` or the point itself is NaN.
    """

    point: float
    low: float
    high: float
    percentile_low: float
    percentile_high: float
    n: int
    level: float = 0.95

    @classmethod
    def none(cls, point: float, n: int, level: float) -> Interval:
        """A point without limits."""
        return cls(point, *4 * (float("nan"),), n, level)

    @property
    def defined(self) -> bool:
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
    # Resamples of few different values often have the mean itself: the last bits of a sum must not decide on which side.
    tie = 1e-12 * float(np.abs(distribution).max())
    below = (np.mean(distribution < point - tie) + np.mean(distribution <= point + tie)) / 2
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


def expanded_level(n: int, level: float = 0.95) -> float:
    """Nominal level at which a bootstrap of ``n`` values is read off so that it covers ``level`` of normal samples.

    A resample spreads by the divisor n where the estimate of a variance needs n - 1, and knows nothing of Student's tails.

    >>> round(expanded_level(10), 4), round(expanded_level(1000), 4)
    (0.9829, 0.9504)
    """
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * np.sqrt(n / (n - 1))
    return float(2 * ndtr(reach) - 1)


def bootstrap_interval(
    statistic: Statistic, n: int, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> Interval:
    """Expanded BCa interval of any statistic of ``n`` patients given as a function of resampling weights [R, n] -> [R].

    Resamples in which the statistic is undefined (NaN, for instance a correlation without spread) are left out.
    """
    point = float(statistic(np.ones((1, n)))[0]) if n else float("nan")
    if n < SMALLEST_SAMPLE or not np.isfinite(point):
        return Interval.none(point, n, level)
    distribution = statistic(resampling_weights(n, resamples, seed))
    return expanded_bca(distribution, point, statistic(without_each(n)), n, level)


def without_each(n: int) -> Floats:
    """Weights of the ``n`` samples that lack one patient: [n, n]."""
    return np.ones((n, n)) - np.eye(n)


def expanded_bca(distribution: Floats, point: float, jackknife: Floats, n: int, level: float) -> Interval:
    """Expanded BCa interval from values over resamples [R] and over samples without one patient [n]; NaN are left out."""
    distribution = distribution[np.isfinite(distribution)]
    low, high = bca_limits(distribution, point, jackknife[np.isfinite(jackknife)], expanded_level(n, level))
    plain = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
    return Interval(point, low, high, float(plain[0]), float(plain[1]), n, level)


def mean_statistic(values: Floats) -> Statistic:
    """The weighted mean of ``values`` [n] as a statistic of weights."""

    def mean(weights: Floats) -> Floats:
        return (weights @ values) / weights.sum(axis=1)

    return mean


def mean_interval(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95) -> Interval:
    """Mean over patients with its bootstrap-t interval; ``values`` [n], one per patient. NaN patients are left out of ``n``.

    Every resample's mean is measured in its own standard error. Where more than one resample in forty has no spread (nearly
    all values alike, as with a rare failure) that scale does not exist, and the interval is the expanded BCa one.

    >>> found = mean_interval(np.linspace(0.8, 1.0, 11))
    >>> found.n, round(found.point, 3), found.low < 0.88 < 0.92 < found.high
    (11, 0.9, True)
    """
    return mean_intervals([values], resamples=resamples, seed=seed, level=level)[0]


def mean_intervals(
    samples: Sequence[ArrayLike], *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> list[Interval]:
    """``mean_interval`` of several samples; those of equally many patients are resampled in one product.

    Of 1,000 patients the weights are 80 MB, and reading them is what takes time.
    """
    finite = [np.asarray(values, dtype=np.float64) for values in samples]
    finite = [sample[np.isfinite(sample)] for sample in finite]
    drawn: dict[int, Floats] = {}
    for n in {len(sample) for sample in finite if len(sample) >= SMALLEST_SAMPLE}:
        # Plain, and centred: the difference of two large sums of squares would lose the digits of a small spread.
        rows = [row for x in finite if len(x) == n for row in (x, x - x.mean(), (x - x.mean()) ** 2)]
        products = np.stack(rows) @ resampling_weights(n, resamples, seed).T / n
        drawn |= {id(x): products[3 * k : 3 * k + 3] for k, x in enumerate(x for x in finite if len(x) == n)}
    return [_mean_interval(sample, drawn.get(id(sample)), level) for sample in finite]


def _mean_interval(sample: Floats, drawn: Floats | None, level: float) -> Interval:
    """From the means [3, R] of the sample, of its centred values and of their squares over resamples."""
    n = len(sample)
    point = float(mean_statistic(sample)(np.ones((1, n)))[0]) if n else float("nan")
    if drawn is None:
        return Interval.none(point, n, level)
    means, away, squares = drawn
    plain = expanded_bca(means, point, (sample.sum() - sample) / (n - 1), n, level)
    limits = _studentised(sample, away, squares, level) if plain.defined and np.ptp(sample) > 0 else None
    return plain if limits is None else replace(plain, low=limits[0], high=limits[1])


def _studentised(sample: Floats, means: Floats, squares: Floats, level: float) -> tuple[float, float] | None:
    """Bootstrap-t limits of the mean of ``sample`` [n]; None where resamples without spread leave the tails unknown.

    ``means`` and ``squares`` are those of the centred values and of their squares over resamples [R].
    """
    n, centre = len(sample), float(sample.mean())
    variances = np.maximum(squares - means**2, 0.0) * n / (n - 1)
    spread = variances > 1e-20 * float(np.mean((sample - centre) ** 2))
    if np.mean(~spread) > (1 - level) / 2:
        return None
    statistics = means[spread] / np.sqrt(variances[spread] / n)
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2])
    error = float(sample.std(ddof=1)) / np.sqrt(n)
    return float(centre - high * error), float(centre - low * error)
