"""Agreement of a predicted with a true quantity (ejection fraction), with intervals over patients.

Source: J. M. Bland, D. G. Altman, "Statistical methods for assessing agreement between two methods of clinical
measurement", Lancet 327 (1986): bias is prediction minus truth, limits of agreement are bias -/+ 1.96 SD (ddof = 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.bootstrap import RESAMPLES, Floats, Interval, Statistic, bootstrap_interval

LIMITS_FACTOR = 1.96


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement over ``n`` patients; units are those of the quantity (EF points), ``r`` and ``r_squared`` have none."""

    n: int
    mae: Interval
    rmse: Interval
    r: Interval
    r_squared: Interval
    bias: Interval
    sd: Interval
    lower_limit: Interval
    upper_limit: Interval
    slope: float
    intercept: float
    implausible: int


def agreement(predicted: ArrayLike, truth: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """Agreement of ``predicted`` [n] with ``truth`` [n], one entry per patient; pairs with a NaN are left out.

    ``slope`` and ``intercept`` are those of the least-squares line of prediction on truth; ``implausible`` counts
    predictions below 0 or above 90, which stay in every figure. Correlations need spread in both: NaN otherwise.
    """
    p, t = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    both = np.isfinite(p) & np.isfinite(t)
    p, t = p[both], t[both]

    def interval(statistic: Statistic) -> Interval:
        return bootstrap_interval(statistic, len(p), resamples=resamples, seed=seed)

    difference = p - t
    slope, intercept = regression(p, t)
    return Agreement(
        n=len(p),
        mae=interval(_moment(np.abs(difference))),
        rmse=interval(lambda w: np.sqrt(_moment(difference**2)(w))),
        r=interval(lambda w: correlation(w, p, t)),
        r_squared=interval(lambda w: correlation(w, p, t) ** 2),
        bias=interval(_moment(difference)),
        sd=interval(lambda w: deviation(w, difference)),
        lower_limit=interval(lambda w: _moment(difference)(w) - LIMITS_FACTOR * deviation(w, difference)),
        upper_limit=interval(lambda w: _moment(difference)(w) + LIMITS_FACTOR * deviation(w, difference)),
        slope=slope,
        intercept=intercept,
        implausible=int(np.sum((p < 0) | (p > 90))),
    )


def correlation(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson r of ``x`` and ``y`` [n] under each row of ``weights`` [R, n] -> [R]; NaN where one has no spread."""
    total = weights.sum(axis=1)
    x, y = x - x.mean(), y - y.mean()
    mean_x, mean_y = weights @ x / total, weights @ y / total
    var_x = weights @ x**2 / total - mean_x**2
    var_y = weights @ y**2 / total - mean_y**2
    shared = weights @ (x * y) / total - mean_x * mean_y
    tiny = 1e-14 * max(float(np.mean(x**2) * np.mean(y**2)), 1e-300)
    spread = var_x * var_y
    return np.where(spread > tiny, shared / np.sqrt(np.where(spread > tiny, spread, 1.0)), np.nan)


def deviation(weights: Floats, values: Floats) -> Floats:
    """Standard deviation (ddof = 1) of ``values`` [n] under each row of ``weights`` [R, n] -> [R]."""
    total = weights.sum(axis=1)
    centred = values - values.mean()
    mean = weights @ centred / total
    variance = np.maximum(weights @ centred**2 / total - mean**2, 0.0)
    return np.sqrt(variance * total / np.maximum(total - 1, 1))


def regression(predicted: Floats, truth: Floats) -> tuple[float, float]:
    """Slope and intercept of the least-squares line of ``predicted`` on ``truth``; NaN without spread in ``truth``."""
    if len(truth) < 2 or np.ptp(truth) == 0:
        return float("nan"), float("nan")
    slope, intercept = np.polyfit(truth, predicted, 1)
    return float(slope), float(intercept)


def _moment(values: Floats) -> Statistic:
    return lambda weights: weights @ values / weights.sum(axis=1)
