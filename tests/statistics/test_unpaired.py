"""A difference over different patients is Welch's, and trainings add to its uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.statistics.unpaired import unpaired_difference


def test_one_training_is_welch_s_test() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(90, 2, 40), rng.normal(86, 7, 25)
    ours = unpaired_difference(first, second)
    other = stats.ttest_ind(first, second, equal_var=False)
    assert ours.p == pytest.approx(other.pvalue, rel=1e-12)
    assert ours.degrees == pytest.approx(other.df, rel=1e-12)
    interval = other.confidence_interval(0.99)
    assert ours.limits(0.99) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_trainings_whose_losses_differ_widen_the_interval_and_equal_ones_do_not() -> None:
    rng = np.random.default_rng(4)
    patients, others = rng.normal(90, 2, (30, 1)), rng.normal(85, 2, (30, 1))
    alike = unpaired_difference(patients + np.arange(3), others + np.arange(3))
    alone = unpaired_difference(patients, others)
    assert alike.error == pytest.approx(alone.error, rel=1e-12)
    assert unpaired_difference(patients + np.zeros(3), others + np.array([-6, 0, 6])).error > 2 * alone.error


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        (np.full(12, 90.0), np.full(9, 80.0), 10.0),  # nine patients: no test
        (np.full(12, 90.0), np.full(12, 90.0), 0.0),  # no spread: no test
        (np.array([]), np.full(12, 90.0), np.nan),
        (np.r_[np.full(12, 90.0), np.nan], np.full(9, 80.0), 10.0),
    ],
)
def test_what_cannot_be_tested_is_missing(first, second, difference) -> None:
    found = unpaired_difference(first, second)
    assert found.difference == pytest.approx(difference, nan_ok=True)
    assert np.isnan(found.p)
    assert np.isnan(found.limits()).all()
