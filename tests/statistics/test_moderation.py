"""Variances between trainings, drawn towards the pooled one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from harness.statistics.moderation import PRIOR_LIMIT, moderate, trigamma_inverse


def test_a_variance_is_mixed_with_the_pooled_one_by_degrees_of_freedom() -> None:
    found = moderate([[1.0], [9.0], [2.0]], [2, 2, 2])  # logs spread less than chance alone: the prior is at its limit
    assert found.prior_degrees == PRIOR_LIMIT == 3
    assert found.prior_variance == pytest.approx([4.0])
    assert found.variance.ravel() == pytest.approx([(3 * 4 + 2 * v) / 5 for v in (1, 9, 2)])
    assert found.degrees == pytest.approx([5, 5, 5])


def test_the_prior_weighs_less_where_arms_differ_more_than_chance() -> None:
    variances = np.array([[1e-4], [1.0], [1e3], [2.0], [1e-3]])
    found = moderate(variances, [4] * 5)
    logs = np.log(variances.ravel() / 2) - special.digamma(2) + np.log(2) + np.log(2)
    excess = float(np.var(logs, ddof=1) - special.polygamma(1, 2))
    oracle = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-3, 1e3)
    assert found.prior_degrees == pytest.approx(oracle, rel=1e-9)
    assert found.prior_degrees < PRIOR_LIMIT


def test_the_excess_is_averaged_over_columns_and_their_units_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    table = rng.chisquare(2, (5, 3)) * np.exp(rng.normal(0, 2, (5, 3)))
    scaled = table * np.array([1.0, 1e-4, 1e6])
    assert moderate(table, [2] * 5).prior_degrees == pytest.approx(moderate(scaled, [2] * 5).prior_degrees, rel=1e-9)
    assert moderate(scaled, [2] * 5).variance / [1.0, 1e-4, 1e6] == pytest.approx(moderate(table, [2] * 5).variance)


def test_arms_with_more_trainings_weigh_more_in_the_pooled_variance() -> None:
    found = moderate([[1.0], [4.0]], [2, 4])
    assert found.prior_variance == pytest.approx([(2 * 1 + 4 * 4) / 6])


def test_an_arm_of_a_single_training_gets_the_pooled_variance_and_never_zero() -> None:
    found = moderate([[np.nan], [2.0], [4.0]], [0, 2, 2])
    assert found.variance[0, 0] == pytest.approx(3.0)
    assert found.degrees[0] == pytest.approx(3.0)


def test_no_arm_knows_more_than_all_trainings_together() -> None:
    assert moderate([[1.0], [1.0]], [1, 1]).degrees == pytest.approx([2, 2])


def test_without_several_trainings_nothing_is_known() -> None:
    assert np.isnan(moderate([[np.nan], [np.nan]], [0, 0]).variance).all()


def test_identical_trainings_leave_variance_zero_and_finite_degrees() -> None:
    found = moderate([[0.0], [0.0], [0.0]], [2, 2, 2])
    assert found.variance == pytest.approx(np.zeros((3, 1)))
    assert np.isfinite(found.degrees).all()


def test_one_arm_without_spread_is_lifted() -> None:
    found = moderate([[0.0], [1.0], [1.0]], [2, 2, 2])
    assert found.variance[0, 0] > 0.05


@pytest.mark.parametrize("value", [1e-8, 1e-4, 0.3, 1.0, 7.0, 1e4, 1e8])
def test_trigamma_is_inverted(value: float) -> None:
    assert special.polygamma(1, trigamma_inverse(value)) == pytest.approx(value, rel=1e-3 if value > 1e7 else 1e-6)
