"""Bootstrap intervals over patients, held against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.statistics.agreement import STATISTICS, agreement, correlation, deviation, statistics_of
from harness.statistics.bootstrap import (
    bca_limits,
    bootstrap_interval,
    expanded_level,
    mean_interval,
    mean_statistic,
    resampling_weights,
)
from harness.statistics.seeds import (
    Statistics,
    crossed_distribution,
    hierarchical_interval,
    summarise,
    summarise_all,
    summarise_statistics,
)


def skewed(n: int = 50, seed: int = 3) -> np.ndarray:
    return 1 - np.random.default_rng(seed).exponential(0.05, n)


def means_of(values: np.ndarray) -> Statistics:
    """The mean of every seed; ``values`` [n, seeds]."""
    return lambda weights: (weights @ values / weights.sum(axis=1)[:, None])[:, None]


def test_bca_limits_equal_those_of_scipy_on_the_same_resamples() -> None:
    values = skewed()
    oracle = stats.bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1))
    jackknife = np.array([np.delete(values, i).mean() for i in range(len(values))])
    low, high = bca_limits(oracle.bootstrap_distribution, values.mean(), jackknife)
    assert low == pytest.approx(oracle.confidence_interval.low, abs=1e-10)
    assert high == pytest.approx(oracle.confidence_interval.high, abs=1e-10)


def test_a_resample_that_equals_the_point_but_for_its_last_bits_is_a_tie() -> None:
    rng = np.random.default_rng(2)
    exact = rng.choice([0.1, 0.2, 0.3], 600, p=[0.2, 0.5, 0.3])
    shaken = exact * (1 + rng.choice([-1, 0, 1], 600) * 2e-16)
    jackknife = rng.normal(0.2, 0.01, 20)
    assert bca_limits(shaken, 0.2, jackknife) == pytest.approx(bca_limits(exact, 0.2, jackknife), rel=1e-12)
    # 120 lie below and 300 are ties: half of them count.
    bias = stats.norm.ppf((np.mean(exact < 0.15) + np.mean(exact < 0.25)) / 2)
    centred = jackknife.mean() - jackknife
    a = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([0.025, 0.975])
    assert bca_limits(exact, 0.2, jackknife) == pytest.approx(
        tuple(np.quantile(exact, stats.norm.cdf(bias + z / (1 - a * z))))
    )


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


def test_intervals_of_several_measures_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(7)
    tables = [rng.normal(90, 3, (n, s)) for n, s in ((30, 3), (30, 3), (12, 1), (9, 2), (30, 2))]
    tables[1][4, 1] = np.nan  # twenty-nine patients
    together = summarise_all(tables, resamples=300, level=0.9)
    for table, found in zip(tables, together, strict=True):
        alone = summarise(table, resamples=300, level=0.9)
        for name in ("point", "low", "high", "percentile_low", "percentile_high"):
            assert getattr(found.interval, name) == pytest.approx(getattr(alone.interval, name), rel=1e-12, nan_ok=True)
        assert (found.interval.n, found.interval.level, found.seeds) == (alone.interval.n, 0.9, table.shape[1])
    assert together[3].interval.n == 9
    assert together[1].interval.n == 29


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
    values = 90 + rng.normal((0.0, 0.5, 1.0), 2, (30, 3))
    weights = resampling_weights(30, 2000, 3)
    found = summarise_statistics(means_of(values), 30, resamples=2000, seed=3, level=0.9)[0].interval
    drawn = crossed_distribution(weights @ values / 30, seed=3)
    again = resampling_weights(3, 2000, 4)  # the seeds' own draws, their part widened by sqrt(3 / 2)
    centre = (weights @ values / 30).mean(axis=1)
    assert drawn == pytest.approx(centre + np.sqrt(1.5) * ((weights @ values / 30 * again).mean(axis=1) - centre))
    assert found == hierarchical_interval(weights @ values / 30, values.mean(), 30, seed=3, level=0.9)
    wide = expanded_level(30, 0.9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [(1 - wide) / 2, (1 + wide) / 2])))
    assert (found.percentile_low, found.percentile_high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))
    assert (found.n, found.level) == (30, 0.9)


def test_further_trainings_that_agree_make_no_interval_narrower() -> None:
    # a correlation's or an MAE's weights: the same statistic once and three times
    one = np.random.default_rng(2).exponential(3, (12, 1))
    alone, thrice = (summarise_statistics(means_of(np.tile(one, count)), 12)[0].interval for count in (1, 3))
    assert thrice.high - thrice.low > 0.97 * (alone.percentile_high - alone.percentile_low)
    assert thrice.low < thrice.percentile_low < thrice.percentile_high < thrice.high


def test_small_samples_have_no_limits_over_trainings_either() -> None:
    (both,) = summarise_statistics(means_of(np.arange(9.0)[:, None] + [0.0, 1.0]), 9, level=0.9)
    few = both.interval
    assert (few.point, few.n, few.level) == (4.5, 9, 0.9)
    assert np.isnan([few.low, few.high, few.percentile_low, few.percentile_high]).all()
    assert (both.patients, both.seeds) == (few, 2)
    assert both.seed_sd == pytest.approx(np.std([0, 1], ddof=1))


def test_statistics_of_several_seeds_are_those_of_each_alone_averaged() -> None:
    rng = np.random.default_rng(12)
    truth = rng.uniform(30, 70, 25)
    predicted = truth[:, None] + rng.normal(0, 6, (25, 3)) + [0.0, 2.0, -1.0]
    together = summarise_statistics(statistics_of(predicted, truth), 25, resamples=300)
    each = [summarise_statistics(statistics_of(predicted[:, [k]], truth), 25, resamples=300) for k in range(3)]
    for position, name in enumerate(STATISTICS):
        points = [one[position].interval.point for one in each]
        assert together[position].interval.point == pytest.approx(np.mean(points)), name
        assert together[position].seed_sd == pytest.approx(np.std(points, ddof=1)), name
        assert np.isnan(each[0][position].seed_sd)
    weights = resampling_weights(25, 40, 0)
    drawn = statistics_of(predicted, truth)(weights)
    for k in range(3):
        d = predicted[:, k] - truth
        draws = np.random.default_rng(0).integers(0, 25, size=(40, 25))
        expected = [
            (np.abs(d[i]).mean(), np.sqrt((d[i] ** 2).mean()), np.corrcoef(predicted[i, k], truth[i])[0, 1], np.corrcoef(predicted[i, k], truth[i])[0, 1] ** 2,
             d[i].mean(), d[i].std(ddof=1), d[i].mean() - 1.96 * d[i].std(ddof=1), d[i].mean() + 1.96 * d[i].std(ddof=1))
            for i in draws
        ]  # fmt: skip
        np.testing.assert_allclose(drawn[:, :, k], expected, atol=1e-9)


def test_one_seed_alone_is_over_patients_and_two_are_enough_to_redraw_them() -> None:
    rng = np.random.default_rng(13)
    values = rng.normal((90, 93), 2, (20, 2))
    alone = summarise(values[:, 0], resamples=200)
    assert alone.patients == alone.interval
    (both,) = summarise_statistics(means_of(values), 20, resamples=400)
    mean = bootstrap_interval(mean_statistic(values.mean(axis=1)), 20, resamples=400)
    assert (both.patients.low, both.patients.high) == pytest.approx((mean.low, mean.high))
    assert both.interval.high - both.interval.low > 1.2 * (both.patients.high - both.patients.low)


def test_two_values_have_a_deviation_and_seeds_are_centred_each_on_its_own() -> None:
    assert deviation(np.ones((1, 2)), np.array([1.0, 4.0]))[0] == pytest.approx(3 / np.sqrt(2))
    rng = np.random.default_rng(14)
    x = rng.normal(0, 1, (12, 2)) * [1.0, 1e-5] + [0.0, 5e5]
    y = np.repeat(x[:, [1]], 2, axis=1)
    weights = resampling_weights(12, 30, 0)
    alone = correlation(weights, x[:, 1], y[:, 1])
    assert correlation(weights, x, y)[:, 1] == pytest.approx(alone, abs=1e-4)
