"""Sign-flip permutation test of a mean paired difference and the interval that belongs to it, exact where they can be.

Under the hypothesis that two models are exchangeable within a patient, every sign of a difference is as likely as the other,
given its size (R. A. Fisher, "The design of experiments", 1935, section 21). The distribution of the mean over all signs is the
test: it needs no normality, keeps its level with ties and zeros, and speaks of the mean like everything else. Zeros do not move.

The interval holds every difference that the test does not reject. Flipping the signs of the patients F makes d - delta as
extreme as observed exactly where the mean of d over F, or over the others, lies beyond delta: the limits are quantiles of means
over random subsets (J. A. Hartigan, "Using subsample values as typical values", JASA 64, 1969). Test and interval read one and
the same set of subsets, so that p lies below alpha exactly where the interval at 1 - alpha leaves zero out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.statistics.bootstrap import Floats

EXACT_PAIRS = 20
"""Up to so many informative pairs all 2^n signs are counted."""
DRAWS = 20_000
"""Random signs above that: a p of 0.05 has a standard error of 0.0015."""
_BLOCK = 2_000
"""Rows of signs that are multiplied at once, so that 1,000 patients need megabytes and not gigabytes."""


@dataclass(frozen=True, slots=True)
class SignFlip:
    """Two-sided p of a mean of zero.

    Attributes:
        p: NaN without any pair; 1 where every difference is zero.
        error: standard error of ``p`` over the random signs; 0 where it is exact.
        pairs, informative: differences, and those that are not zero.
    """

    p: float
    error: float
    pairs: int
    informative: int


@dataclass(frozen=True, slots=True)
class _Subsets:
    """Means of the differences over subsets [k] and over what each leaves; of no patient at all: infinite in both senses.

    ``exact`` says whether the subsets stand for all there are; else the observed signs count as one more of them.
    """

    inside: Floats
    outside: Floats
    exact: bool

    def extreme(self, delta: float, *, above: bool) -> int:
        """How many subsets speak against a true difference of ``delta`` on that side of the mean."""
        means = (self.inside, self.outside)
        # Both halves: a subset and what it leaves are the same signs seen from either side.
        return sum(int(np.sum(m >= delta) if above else np.sum(m <= delta)) + int(np.isnan(m).sum()) for m in means)

    def p(self, delta: float, *, above: bool) -> float:
        """Two-sided p of a true difference of ``delta`` on that side of the mean."""
        # The observed signs are one of the permutations: the p of a Monte Carlo test is never zero (Phipson and Smyth 2010).
        more = 0 if self.exact else 1
        return (self.extreme(delta, above=above) + more) / (len(self.inside) + more)

    def limit(self, alpha: float, *, above: bool, beyond: float | None = None) -> float:
        """The furthest ``delta`` on that side whose p is ``alpha`` or more, infinite where every p is; or ``beyond``, if that is further.

        To count what lies beyond a value is ten times as fast as to find the value.
        """
        if beyond is not None and self.p(beyond, above=above) < alpha - 1e-12:
            return beyond
        more = 0 if self.exact else 1
        # The share is compared with alpha in whole subsets; the last bits of a product must not decide.
        needed = int(np.ceil(alpha * (len(self.inside) + more) - more - 1e-9))
        sign = -1.0 if above else 1.0
        means = np.concatenate([self.inside, self.outside])
        means = np.where(np.isnan(means), -np.inf, sign * means)
        return sign * float(np.partition(means, needed - 1)[needed - 1]) if needed > 0 else -sign * np.inf


def sign_flip(differences: ArrayLike) -> SignFlip:
    """Sign-flip test of the mean of paired ``differences`` [n]; NaN are left out.

    >>> sign_flip([0.3, 0.1, 0.2, 0.5] + 21 * [0.0]).p  # 2 of 16 signs are as extreme
    0.125
    """
    sample = _finite(differences)
    informative = int(np.count_nonzero(sample))
    if not len(sample):
        return SignFlip(float("nan"), 0.0, 0, 0)
    total = float(sample.sum())
    # Every sign gives the same mean, so all of them are as extreme as the observed one.
    if not informative or abs(total) <= _tolerance(sample):
        return SignFlip(1.0, 0.0, len(sample), informative)
    subsets = _subset_means(sample.tobytes())
    p = subsets.p(0.0, above=total < 0)
    error = 0.0 if subsets.exact else float(np.sqrt(p * (1 - p) / len(subsets.inside)))
    return SignFlip(p, error, len(sample), informative)


def smallest_p(pairs: int) -> float:
    """The smallest p that ``pairs`` informative differences can have, all of one sign: below it nothing can be shown.

    >>> smallest_p(5), smallest_p(10) < 0.05 / 24 < smallest_p(9)
    (0.0625, True)
    """
    return float(2.0 ** (1 - pairs)) if pairs <= EXACT_PAIRS else 1 / (DRAWS + 1)


def flip_interval(
    differences: ArrayLike, level: float = 0.95, beyond: tuple[float, float] | None = None
) -> tuple[float, float]:
    """The mean differences that the sign-flip test of ``differences`` [n] does not reject; NaN without any pair.

    It leaves zero out exactly where ``sign_flip`` has p < 1 - level. With few patients no p is that small, and it is infinite. With
    ``beyond``, another interval, it is the hull of the two.

    >>> [round(limit, 2) for limit in flip_interval([0.3, 0.1, 0.2, 0.5], 0.8)]  # p = 2 / 16 of zero
    [0.1, 0.5]
    """
    sample = _finite(differences)
    if not len(sample):
        return float("nan"), float("nan")
    low, high = beyond or (None, None)
    # Differences that are all alike are no exception: five of 0.3 are all positive once in 16 times. Zeros alone have no signs.
    if not sample.any():
        return min(0.0, 0.0 if low is None else low), max(0.0, 0.0 if high is None else high)
    subsets, alpha = _subset_means(sample.tobytes()), 1 - level
    return subsets.limit(alpha, above=False, beyond=low), subsets.limit(alpha, above=True, beyond=high)


def _finite(differences: ArrayLike) -> Floats:
    sample = np.asarray(differences, dtype=np.float64)
    return np.ascontiguousarray(sample[np.isfinite(sample)])


def _tolerance(sample: Floats) -> float:
    """Sums of the same numbers in another order differ in the last bits: what is closer to zero than this is zero."""
    return 1e-9 * float(np.abs(sample).sum())


@lru_cache(maxsize=64)
def _subset_means(content: bytes) -> _Subsets:
    """Means over subsets; the same differences are asked for p first, then at several levels once the family is known.

    A third of a megabyte each, so that all comparisons of a suite's table find theirs.
    """
    sample = np.frombuffer(content)
    n, informative = len(sample), sample[sample != 0]
    exact = len(informative) <= EXACT_PAIRS
    if exact:
        sums, sizes = _half_of_subsets(informative)
        if zeros := n - len(informative):
            # Zeros decide nothing about a difference of zero, but about any other; each pattern meets several choices of them.
            repeats = -(-DRAWS // len(sums))
            sums, sizes = np.tile(sums, repeats), np.tile(sizes, repeats)
            sizes = sizes + np.random.default_rng(0).binomial(zeros, 0.5, len(sizes))
    else:
        # The same draws for all models of a table: their p differ by the data and not by the draws.
        chosen = _random_subsets(n, DRAWS)
        sums = np.concatenate([chosen[row : row + _BLOCK] @ sample for row in range(0, DRAWS, _BLOCK)])
        sizes = chosen.sum(axis=1, dtype=np.int64)
    total = float(sample.sum())
    return _Subsets(_means(sums, sizes, sample), _means(total - sums, n - sizes, sample), exact)


def _means(sums: Floats, sizes: NDArray[np.int64], sample: Floats) -> Floats:
    sums = np.where(np.abs(sums) <= _tolerance(sample), 0.0, sums)
    return np.divide(sums, sizes, out=np.full(len(sums), np.nan), where=sizes > 0)


@lru_cache(maxsize=4)
def _random_subsets(count: int, draws: int) -> NDArray[np.int8]:
    """Subsets [draws, count] as 0 and 1; equal arguments share them, so that models are tested with the same draws."""
    # One byte a sign: 20,000 draws of 1,000 patients are 20 MB, as floats 160.
    return np.random.default_rng(0).integers(0, 2, size=(draws, count), dtype=np.int8)


def _half_of_subsets(values: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Sum and size of the 2^(n-1) subsets without the last value; what they leave are the others."""
    sums, sizes = np.zeros(1), np.zeros(1, dtype=np.int64)
    # Doubling builds all 2^(n-1) sums with as many additions, and the last value's sign is fixed by symmetry.
    for value in values[:-1]:
        sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
    return sums, sizes
