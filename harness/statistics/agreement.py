"""Agreement of a predicted with a true quantity (ejection fraction), with intervals over patients.

Source: J. M. Bland, D. G. Altman, "Statistical methods for assessing agreement between two methods of clinical
measurement", Lancet 327 (1986): bias is prediction minus truth, limits of agreement are bias -/+ 1.96 SD (ddof = 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.bootstrap import RESAMPLES, Floats, Interval, Statistic
from harness.statistics.seeds import summarise_statistics

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
    per_seed = [statistics_of(column, t) for column in p.T]
    # Seeds are averaged as statistics and never as predictions: a mean of predictions is an ensemble, which nobody
    # reports.
    found = {
        name: summarise_statistics([one[name] for one in per_seed], len(t), resamples=resamples, seed=seed)
        for name in per_seed[0]
    }
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


def statistics_of(predicted: Floats, truth: Floats) -> dict[str, Statistic]:
    """Every statistic of agreement as a function of resampling weights, from paired values [n] without NaN."""
    difference = predicted - truth
    mean = _moment(difference)

    def limit(sign: int) -> Statistic:
        return lambda weights: mean(weights) + sign * LIMITS_FACTOR * deviation(weights, difference)

    return {
        "mae": _moment(np.abs(difference)),
        "rmse": lambda weights: np.sqrt(_moment(difference**2)(weights)),
        "r": lambda weights: correlation(weights, predicted, truth),
        "pearson_r_squared": lambda weights: correlation(weights, predicted, truth) ** 2,
        "bias": mean,
        "sd": lambda weights: deviation(weights, difference),
        "lower_limit": limit(-1),
        "upper_limit": limit(1),
    }


def correlation(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson r of ``x`` and ``y`` [n] under each row of ``weights`` [R, n] -> [R]; NaN where one has no spread."""
    total = weights.sum(axis=1)
    # E[x2] - E[x]2 loses all digits where the mean is large beside the spread, as with ejection fractions.
    x, y = x - x.mean(), y - y.mean()
    mean_x, mean_y = weights @ x / total, weights @ y / total
    var_x = weights @ x**2 / total - mean_x**2
    var_y = weights @ y**2 / total - mean_y**2
    shared = weights @ (x * y) / total - mean_x * mean_y
    # A resample of one patient drawn n times has a variance of rounding errors, and r would be any number.
    tiny = 1e-14 * max(float(np.mean(x**2) * np.mean(y**2)), 1e-300)
    spread = var_x * var_y
    return np.where(spread > tiny, shared / np.sqrt(np.where(spread > tiny, spread, 1.0)), np.nan)


def deviation(weights: Floats, values: Floats) -> Floats:
    """Standard deviation (ddof = 1) of ``values`` [n] under each row of ``weights`` [R, n] -> [R]; NaN for one value."""
    total = weights.sum(axis=1)
    # The same cancellation as in ``correlation``.
    centred = values - values.mean()
    mean = weights @ centred / total
    variance = np.maximum(weights @ centred**2 / total - mean**2, 0.0)
    return np.where(total > 1, np.sqrt(variance * total / np.maximum(total - 1, 1)), np.nan)


def regression(predicted: Floats, truth: Floats) -> tuple[float, float]:
    """Slope and intercept of the least-squares line of ``predicted`` on ``truth``; NaN without spread in ``truth``."""
    if len(truth) < 2 or np.ptp(truth) == 0:
        return float("nan"), float("nan")
    slope, intercept = np.polyfit(truth, predicted, 1)
    return float(slope), float(intercept)


def _moment(values: Floats) -> Statistic:
    return lambda weights: weights @ values / weights.sum(axis=1)
