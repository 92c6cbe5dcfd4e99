"""Agreement holds the textbook figures, and nothing is dropped silently."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics.agreement import agreement

PREDICTED = [55.0, 61.0, 48.0, 70.0, 95.0, 33.0, 58.0, math.nan, 41.0, 66.0, 52.0, 39.0]
REFERENCE = [50.0, 63.0, 45.0, 66.0, 60.0, 30.0, 61.0, 52.0, 44.0, 64.0, 50.0, 42.0]


def test_figures_are_those_of_scipy_and_of_the_definitions() -> None:
    found = agreement(PREDICTED, REFERENCE, resamples=200)
    kept = np.isfinite(PREDICTED)
    p, r = np.array(PREDICTED)[kept], np.array(REFERENCE)[kept]
    difference, fit = p - r, stats.linregress(r, p)
    assert found.n == 11
    assert found.mae.point == pytest.approx(np.abs(difference).mean())
    assert found.rmse.point == pytest.approx(math.sqrt((difference**2).mean()))
    assert found.r.point == pytest.approx(stats.pearsonr(p, r)[0])
    assert found.pearson_r_squared.point == pytest.approx(stats.pearsonr(p, r)[0] ** 2)
    assert found.bias.point == pytest.approx(difference.mean())
    assert found.sd.point == pytest.approx(stats.tstd(difference))
    assert found.lower_limit.point == pytest.approx(difference.mean() - 1.96 * stats.tstd(difference))
    assert found.upper_limit.point == pytest.approx(difference.mean() + 1.96 * stats.tstd(difference))
    assert (found.slope, found.intercept) == pytest.approx((fit.slope, fit.intercept))
    for interval in (found.mae, found.bias, found.sd):
        assert interval.low < interval.point < interval.high


def test_an_implausible_prediction_is_counted_and_stays_in_the_mean() -> None:
    found = agreement(PREDICTED, REFERENCE, resamples=50)
    assert found.implausible == 1
    assert found.mae.point > 35 / 11
