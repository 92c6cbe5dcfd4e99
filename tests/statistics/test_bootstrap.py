"""Bootstrap intervals over patients, held against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.statistics.agreement import agreement, correlation, deviation
from harness.statistics.bootstrap import (
    bca_limits,
    bootstrap_interval,
    expanded_level,
    mean_interval,
    mean_statistic,
    resampling_weights,
)
from harness.statistics.seeds import crossed_distribution, hierarchical_interval, summarise, summarise_statistics


def skewed(n: int = 50, seed: int = 3) -> np.ndarray:
    return 1 - np.random.default_rng(seed).exponential(0.05, n)


def test_bca_limits_equal_those_of_scipy_on_the_same_resamples() -> None:
    values = skewed()
    oracle = stats.bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1))
    jackknife = np.array([np.delete(values, i).mean() for i in range(len(values))])
    low, high = bca_limits(oracle.bootstrap_distribution, values.mean(), jackknife)
    assert low == pytest.approx(oracle.confidence_interval.low, abs=1e-10)
    assert high == pytest.approx(oracle.confidence_interval.high, abs=1e-10)


def test_other_statistics_get_the_bca_interval_at_the_expanded_level() -> None:
    values = skewed()
    level = 2 * stats.norm.cdf(np.sqrt(50 / 49) * stats.t.ppf(0.975, 49)) - 1
    assert expanded_level(50) == pytest.approx(level)
    oracle = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="BCa", confidence_level=level, rng=np.random.default_rng(2)
    )
    interval = bootstrap_interval(mean_statistic(values), 50)
    tolerance = 0.1 * values.std() / np.sqrt(len(values))
    assert interval.low == pytest.approx(oracle.confidence_interval.low, abs=tolerance)
    assert interval.high == pytest.approx(oracle.confidence_interval.high, abs=tolerance)
    assert interval.percentile_low != interval.low


def test_the_mean_has_the_bootstrap_t_interval_written_out() -> None:
    values = skewed(25)
    rows = values[np.random.default_rng(0).integers(0, 25, size=(10_000, 25))]
    statistics = (rows.mean(axis=1) - values.mean()) / (rows.std(axis=1, ddof=1) / 5)
    low, high = np.quantile(statistics, [0.025, 0.975])
    error = values.std(ddof=1) / 5
    interval = mean_interval(values)
    assert interval.low == pytest.approx(values.mean() - high * error, rel=1e-9)
    assert interval.high == pytest.approx(values.mean() - low * error, rel=1e-9)


def test_a_rare_failure_leaves_too_many_resamples_without_spread_for_bootstrap_t() -> None:
    values = np.array([*np.full(24, 93.0), 20.0])
    assert mean_interval(values) == bootstrap_interval(mean_statistic(values), 25)


def test_the_mean_interval_uses_the_draws_of_plain_indexing() -> None:
    values = skewed(12)
    draws = np.random.default_rng(0).integers(0, 12, size=(500, 12))
    naive = values[draws].mean(axis=1)
    weighted = resampling_weights(12, 500, 0) @ values / 12
    np.testing.assert_allclose(weighted, naive, atol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 9])
def test_fewer_than_ten_patients_get_a_mean_and_no_interval(n: int) -> None:
    interval = mean_interval(np.linspace(0, 1, n))
    assert not interval.defined
    assert interval.n == n
    assert np.isnan(interval.point) if n == 0 else interval.point == pytest.approx(0.5 if n > 1 else 0.0)


def test_undefined_patients_are_left_out_of_n_and_mean() -> None:
    interval = mean_interval([*np.full(10, 0.8), np.nan, 0.9])
    assert interval.n == 11
    assert interval.point == pytest.approx((8 + 0.9) / 11)


def test_equal_values_have_an_interval_of_no_width() -> None:
    interval = mean_interval(np.full(20, 0.75))
    assert (interval.low, interval.high) == (0.75, 0.75)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = skewed()
    assert mean_interval(values, seed=4) == mean_interval(values, seed=4)
    assert mean_interval(values, seed=4).low != mean_interval(values, seed=5).low


def test_weighted_correlation_and_deviation_match_numpy_on_every_resample() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(50, 10, 15), rng.normal(50, 10, 15)
    draws = np.random.default_rng(0).integers(0, 15, size=(40, 15))
    weights = resampling_weights(15, 40, 0)
    expected = [np.corrcoef(x[d], y[d])[0, 1] for d in draws]
    np.testing.assert_allclose(correlation(weights, x, y), expected, atol=1e-9)
    np.testing.assert_allclose(deviation(weights, x), [x[d].std(ddof=1) for d in draws], atol=1e-9)


def test_correlation_without_spread_is_missing() -> None:
    assert np.isnan(correlation(np.ones((1, 5)), np.full(5, 2.0), np.arange(5.0)))[0]


def test_agreement_matches_scipy_and_the_definition_of_bland_and_altman() -> None:
    rng = np.random.default_rng(6)
    truth = rng.uniform(25, 70, 40)
    predicted = 0.8 * truth + 8 + rng.normal(0, 5, 40)
    result = agreement([*predicted, np.nan], [*truth, 50.0])
    difference = predicted - truth
    line = stats.linregress(truth, predicted)
    assert result.n == 40
    assert result.mae.point == pytest.approx(np.abs(difference).mean())
    assert result.rmse.point == pytest.approx(np.sqrt((difference**2).mean()))
    assert result.r.point == pytest.approx(stats.pearsonr(predicted, truth).statistic)
    assert (result.slope, result.intercept) == pytest.approx((line.slope, line.intercept))
    assert result.bias.point == pytest.approx(difference.mean())
    assert result.upper_limit.point == pytest.approx(difference.mean() + 1.96 * difference.std(ddof=1))
    assert result.r.low < result.r.point < result.r.high < 1


def test_implausible_predictions_are_counted_and_kept() -> None:
    result = agreement([-4.0, 50.0, 95.0], [10.0, 50.0, 80.0])
    assert result.implausible == 2
    assert result.mae.point == pytest.approx((14 + 0 + 15) / 3)


def test_one_seed_has_the_plain_patient_interval() -> None:
    values = skewed()
    summary = summarise(values)
    assert summary.interval == mean_interval(values)
    assert np.isnan(summary.seed_sd)


def test_seeds_that_disagree_widen_the_interval_and_are_not_counted_as_patients() -> None:
    values = skewed()
    table = np.stack([values - 0.03, values, values + 0.03], axis=1)
    summary = summarise(table)
    assert summary.interval.n == 50
    assert summary.seed_sd == pytest.approx(0.03)
    width = summary.interval.high - summary.interval.low
    assert width > 1.3 * (summary.patients.high - summary.patients.low)


def test_seeds_that_agree_leave_the_interval_of_the_patients() -> None:
    values = skewed()
    summary = summarise(np.stack([values, values], axis=1))
    assert (summary.interval.low, summary.interval.high) == (summary.patients.low, summary.patients.high)
    assert summary.patients == mean_interval(values)


def test_seeds_move_the_limits_out_in_squares() -> None:
    rng = np.random.default_rng(8)
    table = rng.normal(0, 1, (40, 1)) + np.array([[-0.5, 0.0, 0.8]])
    summary = summarise(table)
    between = np.var([-0.5, 0.0, 0.8], ddof=1)  # patients x seeds differ by nothing here
    reach = stats.t.ppf(0.975, 2) * np.sqrt(between / 3)
    assert summary.interval.low == pytest.approx(
        summary.interval.point - np.hypot(summary.interval.point - summary.patients.low, reach)
    )
    assert summary.interval.high == pytest.approx(
        summary.interval.point + np.hypot(summary.patients.high - summary.interval.point, reach)
    )


def test_resamples_without_a_defined_statistic_are_left_out() -> None:
    x = np.array([*np.zeros(11), 1.0])
    interval = bootstrap_interval(lambda w: correlation(w, x, x), 12, resamples=2000)
    assert interval.point == pytest.approx(1.0)
    assert np.isfinite(interval.percentile_low)


def test_the_interval_over_patients_and_trainings_is_the_percentiles_of_both_redrawn() -> None:
    rng = np.random.default_rng(4)
    per_seed = [mean_statistic(90 + rng.normal(shift, 2, 30)) for shift in (0.0, 0.5, 1.0)]
    found = hierarchical_interval(per_seed, 30, resamples=2000, seed=3, level=0.9)
    drawn = crossed_distribution(per_seed, 30, resamples=2000, seed=3)
    wide = expanded_level(30, 0.9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [(1 - wide) / 2, (1 + wide) / 2])))
    assert (found.percentile_low, found.percentile_high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))
    assert (found.n, found.level) == (30, 0.9)


def test_further_trainings_that_agree_make_no_interval_narrower() -> None:
    # a correlation's or an MAE's weights: the same statistic once and three times
    one = mean_statistic(np.random.default_rng(2).exponential(3, 12))
    alone, thrice = (summarise_statistics([one] * count, 12).interval for count in (1, 3))
    assert thrice.high - thrice.low > 0.97 * (alone.percentile_high - alone.percentile_low)
    assert thrice.low < thrice.percentile_low < thrice.percentile_high < thrice.high


def test_small_samples_have_no_limits_over_trainings_either() -> None:
    few = hierarchical_interval([mean_statistic(np.arange(9.0))] * 2, 9, level=0.9)
    assert (few.point, few.n, few.level) == (4.0, 9, 0.9)
    assert np.isnan([few.low, few.high, few.percentile_low, few.percentile_high]).all()
