"""Agreement of a predicted with a true quantity (ejection fraction), with intervals over patients.

Source: J. M. Bland, D. G. Altman, "Statistical methods for assessing agreement between two methods of clinical
measurement", Lancet 327 (1986): bias is prediction minus truth, limits of agreement are bias -/+ 1.96 SD (ddof = 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.bootstrap import RESAMPLES, Floats, Interval
from harness.statistics.seeds import SeedSummary, Statistics, summarise_statistics

LIMITS_FACTOR = 1.96


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement over ``n`` patients; units are those of the quantity (EF points), correlations have none.

    ``pearson_r_squared`` is the square of ``r``: the share of variance that a fitted line explains, blind to bias and scale.
    It is not the coefficient of determination R² = 1 − Σ(p − t)² / Σ(t − mean t)², which falls with bias.
    ``seeds`` is how many predictions per patient were averaged over, ``seed_sd`` the standard deviation over them per
    statistic (NaN for one seed).
    """

    n: int
    mae: Interval
    rmse: Interval
    r: Interval
    pearson_r_squared: Interval
    bias: Interval
    sd: Interval
    lower_limit: Interval
    upper_limit: Interval
    slope: float
    intercept: float
    implausible: int
    seeds: int = 1
    seed_sd: Mapping[str, float] = field(default_factory=dict)


def agreement(predicted: ArrayLike, truth: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """Agreement of ``predicted`` [n] (or [n, seeds]) with ``truth`` [n], one entry per patient.

    Patients with a NaN in the truth or in any seed are left out. With several seeds every statistic is computed per seed and
    averaged (predictions are never averaged: that would be an ensemble), its interval is over patients x seeds.
    ``slope`` and ``intercept`` are those of the least-squares line of prediction on truth; ``implausible`` counts
    predictions below 0 or above 90, which stay in every figure. Correlations need spread in both: NaN otherwise.
    """
    p, t = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    p = p[:, None] if p.ndim == 1 else p
    both = np.isfinite(p).all(axis=1) & np.isfinite(t)
    p, t = p[both], t[both]
    # Seeds are averaged as statistics and never as predictions: a mean of predictions is an ensemble, which nobody
    # reports.
    if len(t):
        summaries = summarise_statistics(statistics_of(p, t), len(t), resamples=resamples, seed=seed)
    else:
        nothing = Interval.none(float("nan"), 0, 0.95)
        summaries = [SeedSummary(nothing, nothing, float("nan"), p.shape[1])] * len(STATISTICS)
    found = dict(zip(STATISTICS, summaries, strict=True))
    lines = np.array([regression(column, t) for column in p.T])
    return Agreement(
        n=len(t),
        **{name: summary.interval for name, summary in found.items()},
        slope=float(lines[:, 0].mean()),
        intercept=float(lines[:, 1].mean()),
        implausible=int(np.sum((p < 0) | (p > 90))),
        seeds=p.shape[1],
        seed_sd={name: summary.seed_sd for name, summary in found.items()},
    )


STATISTICS = ("mae", "rmse", "r", "pearson_r_squared", "bias", "sd", "lower_limit", "upper_limit")


def statistics_of(predicted: Floats, truth: Floats) -> Statistics:
    """``STATISTICS`` of every seed as functions of resampling weights; ``predicted`` [n, seeds], ``truth`` [n], without NaN."""
    both = np.broadcast_to(truth[:, None], predicted.shape)
    difference = predicted - both

    def evaluate(weights: Floats) -> Floats:
        total = weights.sum(axis=1)[:, None]
        bias, sd = weights @ difference / total, deviation(weights, difference)
        error, square = weights @ np.abs(difference) / total, weights @ difference**2 / total
        r = correlation(weights, predicted, both)
        reach = LIMITS_FACTOR * sd
        return np.stack([error, np.sqrt(square), r, r**2, bias, sd, bias - reach, bias + reach], axis=1)

    return evaluate


def correlation(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson r of ``x`` and ``y`` [n] or [n, seeds] under each row of ``weights`` [R, n]; NaN where one has no spread.

    Returns:
        [R] or [R, seeds].
    """
    total = _totals(weights, x)
    # E[x2] - E[x]2 loses all digits where the mean is large beside the spread, as with ejection fractions.
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    var_x = weights @ x**2 / total - mean_x**2
    var_y = weights @ y**2 / total - mean_y**2
    shared = weights @ (x * y) / total - mean_x * mean_y
    # A resample of one patient drawn n times has a variance of rounding errors, and r would be any number.
    tiny = 1e-14 * np.maximum(np.mean(x**2, axis=0) * np.mean(y**2, axis=0), 1e-300)
    spread = var_x * var_y
    return np.where(spread > tiny, shared / np.sqrt(np.where(spread > tiny, spread, 1.0)), np.nan)


def deviation(weights: Floats, values: Floats) -> Floats:
    """Standard deviation (ddof = 1) of ``values`` [n] or [n, seeds] under each row of ``weights`` [R, n]; NaN for one value.

    Returns:
        [R] or [R, seeds].
    """
    total = _totals(weights, values)
    # The same cancellation as in ``correlation``.
    centred = values - values.mean(axis=0)
    mean = weights @ centred / total
    variance = np.maximum(weights @ centred**2 / total - mean**2, 0.0)
    return np.where(total > 1, np.sqrt(variance * total / np.maximum(total - 1, 1)), np.nan)


def _totals(weights: Floats, values: Floats) -> Floats:
    """Sum of each row of weights, to stand beside [R] or [R, seeds]."""
    total: Floats = weights.sum(axis=1)
    return total[:, None] if values.ndim == 2 else total


def regression(predicted: Floats, truth: Floats) -> tuple[float, float]:
    """Slope and intercept of the least-squares line of ``predicted`` on ``truth``; NaN without spread in ``truth``."""
    if len(truth) < 2 or np.ptp(truth) == 0:
        return float("nan"), float("nan")
    slope, intercept = np.polyfit(truth, predicted, 1)
    return float(slope), float(intercept)
