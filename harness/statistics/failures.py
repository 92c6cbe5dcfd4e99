"""What a failure counts as. A model must not gain by giving no answer.

Overlap of a missed structure is 0 and its distance the diagonal of the field of view already in the rows
(``evaluation.overlap``, ``evaluation.surface``): both are the worst possible value. An ejection fraction that cannot be computed,
because a mask is empty, is a failure as well; its error is the largest that an EF between 0 and 100 can have for that patient.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from harness.statistics.bootstrap import Interval

FAILED_DICE = 0.5
"""A patient with a lower Dice (0..1) has failed: less than half of the structure is where it was said to be."""
NOT_LEARNED = 0.5
"""Share of failed patients above which an arm has not learned the task and is not judged."""


@dataclass(frozen=True, slots=True)
class FailureRate:
    """Failed patients with the exact limits of Clopper and Pearson (Biometrika 26, 1934), all as shares 0..1."""

    failed: int
    n: int
    rate: float
    low: float
    high: float

    @property
    def learned(self) -> bool:
        """Whether most patients succeeded."""
        return not self.rate > NOT_LEARNED


def failure_rate(failed: int, n: int, level: float = 0.95) -> FailureRate:
    """Share of ``failed`` among ``n`` patients with its exact interval; NaN without patients.

    >>> found = failure_rate(0, 25)
    >>> round(100 * found.low, 1), round(100 * found.high, 1)
    (0.0, 13.7)
    """
    if n == 0:
        return FailureRate(0, 0, float("nan"), float("nan"), float("nan"))
    return FailureRate(failed, n, failed / n, *_exact_limits(failed, n, level))


def mean_share(shares: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of the patients' ``shares`` [n] of failed frames or conditions, 0..1, with exact limits; NaN patients are left out.

    Where every patient fails throughout or not at all it is ``failure_rate``. Shares in between spread less than that, so
    that the same limits at a sum of shares that is no whole number err on the safe side (``benchmarks/interval_simulation.py``).
    Frames and conditions of a patient are not independent: n counts patients.

    >>> found = mean_share([0.0, 1.0, 0.5, 0.0])
    >>> found.point, round(found.low, 3), round(found.high, 3)
    (0.375, 0.028, 0.877)
    """
    sample = np.asarray(shares, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    n, nan = len(sample), float("nan")
    if n == 0:
        return Interval.none(nan, 0, level)
    low, high = _exact_limits(float(sample.sum()), n, level)
    return Interval(float(sample.mean()), low, high, nan, nan, n, level)


def _exact_limits(failed: float, n: int, level: float) -> tuple[float, float]:
    """Limits of Clopper and Pearson as quantiles of beta distributions; ``failed`` in [0, n] need not be whole."""
    tail = (1 - level) / 2
    low = float(special.betaincinv(failed, n - failed + 1, tail)) if failed > 0 else 0.0
    high = float(special.betaincinv(failed + 1, n - failed, 1 - tail)) if failed < n else 1.0
    return low, high


def worst_ef_error(truth: pd.Series) -> pd.Series:
    """Largest absolute error that an EF between 0 and 100 can have against ``truth`` in percent; NaN stays NaN.

    >>> worst_ef_error(pd.Series([60.0, 30.0])).tolist()
    [60.0, 70.0]
    """
    return truth.where(truth >= 50, 100 - truth)


def rate_of(dice: pd.DataFrame, *, scale: float) -> FailureRate:
    """Failure rate over patients: those whose mean over trainings is below ``FAILED_DICE``, as everything else of a table is a mean.

    Trainings of one patient are not independent, so that the exact limits are over patients, never over patients x trainings. A
    training that failed altogether may hide in the mean: see ``failed_trainings``.

    >>> rate_of(pd.DataFrame({0: [0.0, 90.0], 1: [80.0, 90.0], 2: [60.0, 90.0]}), scale=100).failed  # 46.7 and 90
    1
    """
    means = dice.mean(axis=1).dropna()
    return failure_rate(int((means < FAILED_DICE * scale).sum()), len(means))


def failed_trainings(dice: pd.DataFrame, *, scale: float) -> list[Hashable]:
    """The trainings (columns) that failed in most of their patients: they have not learned the task, whatever the others did.

    >>> failed_trainings(pd.DataFrame({0: [0.0, 10.0, 90.0], 1: [80.0, 90.0, 40.0]}), scale=100)
    [0]
    """
    return [training for training in dice if not rate_of(dice[[training]], scale=scale).learned]
