"""Friedman, Nemenyi, critical differences and the stability of rankings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.statistics.ranks import cliques, friedman, nemenyi, rank_stability

DEMSAR = pd.DataFrame(
    [
        (0.763, 0.768, 0.771, 0.798), (0.599, 0.591, 0.590, 0.569), (0.954, 0.971, 0.968, 0.967), (0.628, 0.661, 0.654, 0.657),
        (0.882, 0.888, 0.886, 0.898), (0.936, 0.931, 0.916, 0.931), (0.661, 0.668, 0.609, 0.685), (0.583, 0.583, 0.563, 0.625),
        (0.775, 0.838, 0.866, 0.875), (1.000, 1.000, 1.000, 1.000), (0.940, 0.962, 0.965, 0.962), (0.619, 0.666, 0.614, 0.669),
        (0.972, 0.981, 0.9751, 0.975), (0.957, 0.978, 0.946, 0.970),
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)  # fmt: skip
"""Table 6 of Demsar (2006): four variants of C4.5 on 14 data sets."""


def test_the_mean_ranks_of_demsars_table_are_reproduced() -> None:
    ranks = nemenyi(DEMSAR).mean_ranks
    assert ranks["C4.5"] == pytest.approx(3.143, abs=0.001)
    assert ranks["C4.5+m"] == pytest.approx(2.000, abs=0.001)
    assert ranks["C4.5+cf"] == pytest.approx(2.893, abs=0.001)
    assert ranks["C4.5+m+cf"] == pytest.approx(1.964, abs=0.001)


def test_the_critical_difference_of_demsars_example_is_reproduced() -> None:
    assert nemenyi(DEMSAR).critical_difference == pytest.approx(1.25, abs=0.005)
    assert nemenyi(DEMSAR, alpha=0.10).critical_difference == pytest.approx(1.12, abs=0.005)


@pytest.mark.parametrize(("models", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_values_are_those_of_the_printed_table(models: int, q: float) -> None:
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(30, models)))
    expected = q * np.sqrt(models * (models + 1) / (6 * 30))
    assert nemenyi(scores).critical_difference == pytest.approx(expected, rel=1e-3)


def test_friedman_is_scipys_on_complete_patients() -> None:
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(30, 4)) + np.array([0, 0, 0.5, 1]))
    holed = table.copy()
    holed.iloc[3, 2] = np.nan
    expected = stats.friedmanchisquare(*table.drop(index=3).to_numpy().T)
    assert friedman(holed).p == pytest.approx(expected.pvalue)
    assert friedman(holed).n == 29
    assert np.isnan(friedman(table.iloc[:, :2]).p)


def test_p_falls_below_alpha_exactly_beyond_the_critical_difference() -> None:
    table = pd.DataFrame(np.random.default_rng(2).normal(size=(40, 5)) + np.linspace(0, 1.2, 5))
    result = nemenyi(table)
    gaps = np.abs(result.mean_ranks.to_numpy()[:, None] - result.mean_ranks.to_numpy()[None, :])
    np.testing.assert_array_equal(result.p.to_numpy() < 0.05, gaps > result.critical_difference)


def test_cliques_are_the_largest_runs_within_the_critical_difference() -> None:
    ranks = pd.Series({"a": 1.0, "b": 1.8, "c": 2.5, "d": 4.0})
    assert cliques(ranks, 1.0) == (("a", "b"), ("b", "c"))
    assert cliques(ranks, 1.5) == (("a", "b", "c"), ("c", "d"))
    assert cliques(ranks, 0.1) == ()


def test_a_clear_ranking_is_stable_and_a_coin_flip_is_not() -> None:
    base = np.random.default_rng(3).normal(0.9, 0.02, (50, 1))
    clear = pd.DataFrame(base + np.array([0.03, 0.02, 0.01, 0.0]), columns=list("abcd"))
    stable = rank_stability(clear, resamples=500)
    assert stable.tau == pytest.approx(1.0)
    assert stable.share.to_numpy() == pytest.approx(np.eye(4))
    noise = pd.DataFrame(np.random.default_rng(4).normal(size=(50, 4)), columns=list("abcd"))
    assert rank_stability(noise, resamples=500).tau < 0.7


def test_shares_sum_to_one_and_lower_is_better_turns_the_order() -> None:
    table = pd.DataFrame(np.random.default_rng(5).normal(size=(20, 3)) + np.array([0, 0.4, 0.8]), columns=list("abc"))
    up, down = rank_stability(table, resamples=300), rank_stability(table, higher=False, resamples=300)
    assert up.share.sum(axis=1).to_numpy() == pytest.approx(np.ones(3))
    assert (up.ranks + down.ranks).to_numpy() == pytest.approx(np.full(3, 4.0))
    assert (up.low <= up.high).all()


def test_resampled_ranks_equal_a_naive_loop() -> None:
    table = pd.DataFrame(np.random.default_rng(6).normal(size=(12, 3)), columns=list("abc"))
    draws = np.random.default_rng(0).integers(0, 12, size=(200, 12))
    naive = np.array([stats.rankdata(-table.to_numpy()[d].mean(axis=0)) for d in draws])
    share = rank_stability(table, resamples=200).share
    assert share.to_numpy() == pytest.approx(np.stack([(naive == r).mean(axis=0) for r in (1, 2, 3)], axis=1))


def test_one_model_cannot_be_compared_with_itself() -> None:
    with pytest.raises(ValueError, match="two models"):
        nemenyi(DEMSAR.iloc[:, :1])


def test_three_models_are_enough_for_friedman_and_results_are_called_by_their_models() -> None:
    table = pd.DataFrame(np.random.default_rng(8).normal(size=(20, 3)), columns=list("abc"))
    assert friedman(table).p == pytest.approx(stats.friedmanchisquare(*table.to_numpy().T).pvalue)
    found = rank_stability(table, resamples=50)
    for named in (found.ranks, found.share, found.low, found.high):
        assert list(named.index) == ["a", "b", "c"]
    assert list(found.share.columns) == [1, 2, 3]
