"""Variances between trainings, drawn towards the pooled one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from harness.statistics.crossed import ArmSpread
from harness.statistics.moderation import PRIOR_LIMIT, floored, moderate, moderated_spreads, trigamma_inverse


def test_a_variance_is_mixed_with_the_pooled_one_by_degrees_of_freedom() -> None:
    found = moderate([[1.0], [9.0], [2.0]], [2, 2, 2])  # logs spread less than chance alone: the prior is at its limit
    assert found.prior_degrees == PRIOR_LIMIT == 2
    assert found.prior_variance == pytest.approx([4.0])
    assert found.variance.ravel() == pytest.approx([(4 + v) / 2 for v in (1, 9, 2)])
    assert found.degrees == pytest.approx([4, 4, 4])


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
    table = rng.chisquare(2, (5, 3)) * np.exp(rng.normal(0, 4, (5, 3)))
    scaled = table * np.array([1.0, 1e-4, 1e6])
    assert moderate(table, [2] * 5).prior_degrees < PRIOR_LIMIT
    assert moderate(table, [2] * 5).prior_degrees == pytest.approx(moderate(scaled, [2] * 5).prior_degrees, rel=1e-9)
    assert moderate(scaled, [2] * 5).variance / [1.0, 1e-4, 1e6] == pytest.approx(moderate(table, [2] * 5).variance)


def test_arms_with_more_trainings_weigh_more_in_the_pooled_variance() -> None:
    found = moderate([[1.0], [4.0]], [2, 4])
    assert found.prior_variance == pytest.approx([(2 * 1 + 4 * 4) / 6])


def test_an_arm_of_a_single_training_gets_the_pooled_variance_and_never_zero() -> None:
    found = moderate([[np.nan], [2.0], [4.0]], [0, 2, 2])
    assert found.variance[0, 0] == pytest.approx(3.0)
    assert found.degrees[0] == pytest.approx(2.0)


def test_no_arm_knows_more_than_all_trainings_together() -> None:
    assert moderate([[1.0], [1.0]], [1, 1]).degrees == pytest.approx([2, 2])


def spread(variance: float, rest: float = 0.0, trainings: int = 3, patients: int = 10) -> ArmSpread:
    return ArmSpread(variance, rest, trainings, patients)


def test_an_arm_below_the_pooled_variance_has_that_of_all_with_all_degrees_of_freedom() -> None:
    found = moderated_spreads({"dice": {"a": spread(1.0, 3.0), "b": spread(9.0, 6.0), "c": spread(2.0, 0.0)}})["dice"]
    assert found["a"] == found["c"] == pytest.approx((4.0, 6.0, 0.3))
    assert found["b"] == pytest.approx(((4 + 9) / 2, 4.0, (0.3 + 0.6) / 2))


def test_what_counts_is_the_variance_without_the_patients_noise() -> None:
    # b's variance is the largest and all noise: less noise, and trainings of a differ more
    found = moderated_spreads({"dice": {"a": spread(1.0), "b": spread(1.2, 12.0)}})["dice"]
    assert found["a"] == pytest.approx(((1.1 + 1.0) / 2, 4.0, (0.6 + 0.0) / 2))
    assert found["b"] == pytest.approx((1.1, 4.0, 0.6))
    few = moderated_spreads({"dice": {"a": spread(1.0), "b": spread(1.2, 12.0, patients=1000)}})["dice"]
    # an arm's noise is that of its own patients, whatever the others have
    assert few["b"] == pytest.approx(((1.1 + 1.2) / 2, 4.0, (0.006 + 0.012) / 2))


def test_an_arm_without_trainings_of_its_own_or_a_measure_has_the_pooled_variance() -> None:
    found = moderated_spreads(
        {"dice": {"a": spread(2.0), "one": spread(np.nan, np.nan, 1)}, "hd": {"a": spread(50.0), "b": spread(30.0)}}
    )
    assert found["dice"]["one"][0] == found["dice"]["b"][0] == 2.0
    assert found["hd"]["one"][0] == 40.0
    assert np.isnan(moderated_spreads({"dice": {"one": spread(np.nan, np.nan, 1)}})["dice"]["one"][0])


def test_patients_variances_have_the_floor_that_their_spread_allows() -> None:
    alike, apart = floored([1.0, 1.2, 0.8], [24] * 3), floored([1.0, 1.0, 100.0], [24] * 3)
    assert alike == pytest.approx([1.0, 1.2, 1.0], rel=1e-5)
    logs = np.log([1.0, 1.0, 100.0])
    excess = float(np.var(logs, ddof=1) - special.polygamma(1, 12))
    prior = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-3, 1e3)
    assert apart == pytest.approx([(prior * 34 + 24) / (prior + 24)] * 2 + [100.0])
    assert floored([3.0], [9]) == pytest.approx([3.0])
    assert floored([1.0, np.nan, 1.2], [24, 0, 24]) == pytest.approx([1.1, np.nan, 1.2], rel=1e-5, nan_ok=True)
    assert len(floored([], [])) == 0


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


def test_arms_that_spread_alike_keep_their_own_degrees_of_freedom() -> None:
    found = moderated_spreads({"dice": {name: spread(1.0) for name in "abc"}})["dice"]
    assert set(found.values()) == {(1.0, 4.0, 0.0)}
