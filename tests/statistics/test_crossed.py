"""The variance of a difference with patients and trainings crossed, its quantiles and its posterior."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from harness.statistics.crossed import Estimate, arm_spread, difference, given_trainings


def table(seed: int, n: int = 12, s: int = 4, training_sd: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 90 + rng.normal(0, 2, (n, 1)) + rng.normal(0, training_sd, (1, s)) + rng.normal(0, 0.7, (n, s))


def test_the_parts_of_an_arm_are_those_of_a_mixed_model_fitted_by_reml() -> None:
    values = table(1)
    n, s = values.shape
    rows = pd.DataFrame(
        {"y": values.ravel(), "patient": np.repeat(np.arange(n), s), "training": np.tile(np.arange(s), n)}
    )
    parts = {"patient": "0 + C(patient)", "training": "0 + C(training)"}
    fitted = MixedLM.from_formula("y ~ 1", groups=np.ones(n * s), vc_formula=parts, data=rows).fit(reml=True)
    spread = arm_spread(values)
    between = dict(zip(fitted.model.exog_vc.names, fitted.vcomp, strict=True))["training"]
    assert spread.rest == pytest.approx(fitted.scale, rel=1e-3)
    assert spread.variance - spread.rest / n == pytest.approx(between, rel=1e-3)


def test_a_hand_computed_case() -> None:
    first, second = np.array([[3.0, 5.0], [4.0, 8.0], [5.0, 5.0]]), np.array([[1.0], [2.0], [6.0]])
    found = difference(first, second, (4.0, 1.0), (5.0, 3.0), (1.0, 2.0))
    # paired differences of the means: 3, 4, -1: mean 2, variance 7
    assert found.point == pytest.approx(2.0)
    assert found.parts == pytest.approx((7 / 3, (4.0 - 1.0) / 2, 0.0))  # 1 - 2 is below zero: nothing
    assert found.degrees == (2.0, 5.0, 3.0)
    assert found.error == pytest.approx(np.sqrt(7 / 3 + 1.5))


def test_without_spread_of_trainings_it_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(1, 1, (20, 1)), rng.normal(0, 1, (20, 1))
    for found in (difference(first, second, (0.0, 0.0), (2.0, 2.0), (0.0, 0.0)), given_trainings(first, second)):
        oracle = stats.ttest_rel(first[:, 0], second[:, 0])
        assert found.p == pytest.approx(oracle.pvalue, rel=1e-8)
        assert found.interval(0.95) == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-8)


def test_the_quantile_is_the_weighted_mean_of_students_quantiles() -> None:
    found = Estimate(0.0, (1.0, 3.0), (24.0, 5.0))
    expected = 0.25 * stats.t.isf(0.025, 24) + 0.75 * stats.t.isf(0.025, 5)
    assert found.quantile(0.025) == pytest.approx(expected, rel=1e-9)
    assert found.interval(0.95) == pytest.approx((-2 * expected, 2 * expected))


@given(
    st.floats(-5, 5).filter(lambda x: abs(x) > 1e-6),
    st.lists(st.floats(0.0, 3.0), min_size=2, max_size=3).filter(lambda parts: sum(parts) > 1e-3),
    st.floats(0.5, 0.999),
)
def test_p_and_interval_are_inverses(point: float, parts: list[float], level: float) -> None:
    found = Estimate(point, tuple(parts), (24.0, 5.0, 3.0)[: len(parts)])
    low, high = found.interval(level)
    if abs(found.p - (1 - level)) > 1e-9:
        assert (found.p < 1 - level) == (low > 0 or high < 0)


def test_posterior_probabilities_agree_with_independent_random_draws() -> None:
    found = Estimate(0.4, (0.05, 0.10, 0.02), (24.0, 5.0, 4.0))
    rng = np.random.default_rng(8)
    draws = 0.4 + sum(
        np.sqrt(part) * rng.standard_t(df, 400_000) for part, df in zip(found.parts, found.degrees, strict=True)
    )
    oracle = (np.mean(draws > 0.5), np.mean(np.abs(draws) <= 0.5), np.mean(draws < -0.5))
    assert found.probabilities(0.5) == pytest.approx(oracle, abs=0.004)
    assert sum(found.probabilities(0.5)) == pytest.approx(1.0)


def test_a_difference_as_large_as_detectable_is_shown_in_about_four_of_five_repeats() -> None:
    found = Estimate(0.0, (0.04,), (49.0,))
    size = found.detectable(0.05)
    statistic = stats.nct.sf(stats.t.isf(0.025, 49), 49, size / 0.2)
    assert statistic == pytest.approx(0.8, abs=0.01)


def test_values_without_any_spread_are_certain() -> None:
    assert Estimate(0.0, (0.0,), (9.0,)).p == 1.0
    assert Estimate(0.1, (0.0,), (9.0,)).p == 0.0
    assert Estimate(0.1, (0.0,), (9.0,)).interval(0.95) == (0.1, 0.1)


def test_a_single_patient_has_no_error() -> None:
    found = given_trainings(np.array([[1.0]]), np.array([[0.5]]))
    assert found.point == 0.5
    assert np.isnan(found.p)
    assert np.isnan(found.interval(0.95)).all()
    assert np.isnan(found.probabilities(0.1)).all()
    assert np.isnan(arm_spread(np.array([[1.0, 2.0]])).rest)


def test_a_tiny_p_is_found_or_zero() -> None:
    assert 0 < Estimate(10.0, (1.0,), (200.0,)).p < 1e-17
    assert Estimate(1e4, (1.0,), (200.0,)).p == 0.0
    assert Estimate(10.0, (1.0,), (30.0,)).p == pytest.approx(2 * stats.t.sf(10, 30), rel=1e-6)


def test_two_patients_have_one_degree_of_freedom() -> None:
    assert given_trainings(np.array([[1.0], [3.0]]), np.zeros((2, 1))).degrees == (1.0,)
