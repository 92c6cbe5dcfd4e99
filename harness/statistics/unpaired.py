"""The difference of two means over different patients: a model on the data that it was trained for and on others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from harness.statistics.bootstrap import SMALLEST_SAMPLE, Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpaired:
    """A difference of two means over different patients; NaN where it cannot be computed.

    Attributes:
        difference: first minus second.
        error: its standard error; ``degrees`` of freedom by Welch and Satterthwaite.
        p: two-sided, of no difference.
        n: patients of the first and the second.
    """

    difference: float
    error: float
    degrees: float
    p: float
    n: tuple[int, int]

    def limits(self, level: float = 0.95) -> tuple[float, float]:
        """The confidence interval at a level."""
        reach = float(stats.t.ppf((1 + level) / 2, self.degrees)) * self.error if self.degrees > 0 else math.nan
        return self.difference - reach, self.difference + reach


def unpaired_difference(first: ArrayLike, second: ArrayLike) -> Unpaired:
    """Compare means of values [patients, trainings] of the same trainings on two groups of patients.

    Welch's t: patients of either group and, where there are several, trainings add their variance to that of the
    difference (Welch, Biometrika 34, 1947; Satterthwaite, Biometrics Bulletin 2, 1946). Patients with a missing value are
    left out. Below 10 patients on either side there is a difference but no test.

    >>> rng = np.random.default_rng(0)
    >>> one = unpaired_difference(rng.normal(90, 2, (40, 1)), rng.normal(80, 6, (25, 1)))
    >>> round(one.difference), bool(one.p < 0.001), one.n
    (8, True, (40, 25))
    """
    a, b = (_complete(values) for values in (first, second))
    n = (len(a), len(b))
    if not all(n):
        return Unpaired(difference=math.nan, error=math.nan, degrees=math.nan, p=math.nan, n=n)
    difference = float(a.mean() - b.mean())
    parts = [(float(group.mean(axis=1).var(ddof=1)) / len(group), len(group) - 1) for group in (a, b) if len(group) > 1]
    # Columns are the same trainings on both sides, so they are paired although the patients are not.
    if a.shape[1] == b.shape[1] > 1:
        # Of one training both means move together; what counts is how its difference varies.
        parts.append((float((a.mean(axis=0) - b.mean(axis=0)).var(ddof=1)) / a.shape[1], a.shape[1] - 1))
    variance = sum(part for part, _ in parts)
    if min(n) < SMALLEST_SAMPLE or variance <= 0:
        return Unpaired(difference=difference, error=math.nan, degrees=math.nan, p=math.nan, n=n)
    # Satterthwaite: the chi-square with the same two moments as the sum of the parts.
    degrees = variance**2 / sum(part**2 / free for part, free in parts)
    error = math.sqrt(variance)
    return Unpaired(
        difference=difference,
        error=error,
        degrees=degrees,
        p=float(2 * stats.t.sf(abs(difference) / error, degrees)),
        n=n,
    )


def _complete(values: ArrayLike) -> Floats:
    table = np.asarray(values, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    return table[np.isfinite(table).all(axis=1)] if table.size else table.reshape(0, 1)
