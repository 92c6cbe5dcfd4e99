"""Sign-flip permutation test of a mean paired difference, exact where it can be.

Under the hypothesis that two models are exchangeable within a patient, every sign of a difference is as likely as the other,
given its size (R. A. Fisher, "The design of experiments", 1935, section 21). The distribution of the mean over all signs is the
test: it needs no normality, keeps its level with ties and zeros, and speaks of the mean like everything else. Zeros do not move.
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


def sign_flip(differences: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> SignFlip:
    """Sign-flip test of the mean of paired ``differences`` [n]; NaN are left out.

    >>> sign_flip([0.3, 0.1, 0.2, 0.5] + 21 * [0.0]).p  # 2 of 16 signs are as extreme
    0.125
    """
    sample = np.asarray(differences, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    sizes = np.abs(sample[sample != 0])
    if not len(sample):
        return SignFlip(float("nan"), 0.0, 0, 0)
    if not len(sizes):
        return SignFlip(1.0, 0.0, len(sample), 0)
    observed = abs(float(sample.sum()))
    # Sums of the same numbers in another order differ in the last bits: equal sums must count as equal.
    threshold = observed - 1e-9 * float(sizes.sum())
    if len(sizes) <= EXACT_PAIRS:
        p = float(np.mean(np.abs(_all_sums(sizes)) >= threshold))
        return SignFlip(p, 0.0, len(sample), len(sizes))
    signs = _random_signs(len(sizes), draws, seed)
    extreme = sum(
        int(np.sum(np.abs(2 * (signs[row : row + _BLOCK] @ sizes) - sizes.sum()) >= threshold))
        for row in range(0, draws, _BLOCK)
    )
    # The observed signs are one of the permutations: the p of a Monte Carlo test is never zero (Phipson and Smyth 2010).
    p = float((extreme + 1) / (draws + 1))
    return SignFlip(p, float(np.sqrt(p * (1 - p) / draws)), len(sample), len(sizes))


@lru_cache(maxsize=4)
def _random_signs(count: int, draws: int, seed: int) -> NDArray[np.int8]:
    """Signs [draws, count] as 0 and 1; equal arguments share them, so that models are tested with the same draws."""
    return np.random.default_rng(seed).integers(0, 2, size=(draws, count), dtype=np.int8)


def _all_sums(sizes: Floats) -> Floats:
    """Sums of ``sizes`` under all 2^n signs."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums
