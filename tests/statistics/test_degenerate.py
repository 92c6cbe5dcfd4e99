"""Inputs without spread, without patients or with gaps have stated answers, never a warning or a made-up number."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from harness.statistics.agreement import agreement
from harness.statistics.bootstrap import mean_interval
from harness.statistics.comparison import Measured, compare_measures
from harness.statistics.ranks import friedman, nemenyi, rank_stability
from harness.statistics.robust import hodges_lehmann
from harness.statistics.seeds import summarise
from harness.statistics.verdict import Comparison

PATIENTS = [f"p{k:02d}" for k in range(20)]


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """A degenerate input is a known case: nothing may warn about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def constant(value: float = 0.9) -> pd.Series:
    return pd.Series(value, index=PATIENTS)


def varied(seed: int = 0) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).normal(0.9, 0.02, len(PATIENTS)), index=PATIENTS)


def trainings(values: pd.Series, count: int = 3) -> pd.DataFrame:
    return pd.concat([values] * count, axis=1, keys=range(count))


def compared(ours: pd.Series, other: pd.Series) -> Comparison:
    values = {"A": trainings(ours), "B": trainings(other)}
    return compare_measures([Measured(key="dice", values=values, margin=0.005)], "A")["dice", "B"]


def test_two_equal_models_are_equivalent_with_p_of_one() -> None:
    one = compared(varied(), varied())
    assert (one.p, one.p_adjusted, one.difference) == (1.0, 1.0, 0.0)
    assert (one.low, one.high) == pytest.approx((0.0, 0.0), abs=1e-14)
    assert (one.verdict, one.flip.p, one.p_equivalent) == ("equivalent", 1.0, 1.0)


def test_a_constant_gain_is_superior_and_sure() -> None:
    one = compared(constant(0.90), constant(0.88))
    assert one.difference == pytest.approx(0.02)
    assert (one.verdict, one.p_better) == ("superior", 1.0)
    assert one.p < 1e-4


@pytest.mark.parametrize("n", [0, 1, 9])
def test_too_few_pairs_have_no_p_and_no_interval(n: int) -> None:
    one = compared(varied(), varied(1)[:n]) if n else None
    if one is None:
        values = {"A": trainings(varied()), "B": trainings(varied(1)[:0])}
        assert compare_measures([Measured(key="dice", values=values)], "A") == {}
        return
    assert one.n == n
    assert math.isnan(one.p)
    assert math.isnan(one.low)
    assert one.verdict == ("undecided" if n > 1 else "not compared")
    assert not one.shown


def test_nothing_in_common_is_no_comparison() -> None:
    one = compared(varied(), varied().rename(lambda name: f"x{name}"))
    assert one.n == 0
    assert math.isnan(one.difference)
    assert math.isnan(one.shift)
    assert math.isnan(one.flip.p)
    assert math.isnan(one.worst_decile)


def test_empty_samples_are_missing_everywhere() -> None:
    assert math.isnan(hodges_lehmann([]))
    assert math.isnan(mean_interval([]).point)
    assert math.isnan(summarise(np.zeros((0, 3))).interval.point)
    assert math.isnan(summarise(np.zeros((0, 3))).seed_sd)
    assert agreement([], []).n == 0


def test_the_hodges_lehmann_shift_is_the_median_of_all_pairwise_means() -> None:
    sample = np.random.default_rng(1).exponential(1, 9)
    means = [(a + b) / 2 for i, a in enumerate(sample) for b in sample[i:]]
    assert hodges_lehmann(sample) == pytest.approx(np.median(means))


def test_one_patient_has_a_mean_and_nothing_else() -> None:
    interval = mean_interval([0.9])
    assert interval.point == 0.9
    assert not interval.defined
    one = agreement([55.0], [50.0])
    assert one.bias.point == 5.0
    assert math.isnan(one.sd.point)
    assert math.isnan(one.r.point)
    assert math.isnan(one.slope)


def test_agreement_of_a_constant_prediction_has_no_correlation() -> None:
    truth = np.linspace(30, 70, 20)
    one = agreement(np.full(20, 50.0), truth)
    assert math.isnan(one.r.point)
    assert math.isnan(one.pearson_r_squared.point)
    assert one.mae.defined
    assert one.slope == pytest.approx(0, abs=1e-12)


def test_seeds_of_an_ejection_fraction_are_averaged_as_statistics_not_as_predictions() -> None:
    truth = np.linspace(30, 70, 20)
    predicted = np.stack([truth + 6, truth - 6], axis=1)
    both = agreement(predicted, truth)
    assert both.mae.point == pytest.approx(6)
    assert both.bias.point == pytest.approx(0)
    assert both.seeds == 2
    assert both.seed_sd["bias"] == pytest.approx(np.std([6, -6], ddof=1))
    assert agreement(predicted.mean(axis=1), truth).mae.point == pytest.approx(0)


def test_ranks_without_any_difference_are_shared_and_not_tested() -> None:
    table = pd.DataFrame({name: constant() for name in "ABC"})
    assert math.isnan(friedman(table).p)
    assert set(nemenyi(table).mean_ranks) == {2.0}
    assert nemenyi(table).cliques == (("A", "B", "C"),)
    stability = rank_stability(table, resamples=200)
    assert (stability.share[1] == 1.0).all()
    with pytest.raises(ValueError, match="none"):
        rank_stability(pd.DataFrame({"A": [np.nan, 1.0], "B": [1.0, np.nan]}))


def test_ranks_over_redrawn_trainings_are_less_certain_than_those_of_these_trainings() -> None:
    rng = np.random.default_rng(3)
    tables = {
        name: pd.DataFrame(0.9 + shift + rng.normal(0, 0.01, (1, 4)) + rng.normal(0, 0.001, (20, 4)), index=PATIENTS)
        for name, shift in (("A", 0.004), ("B", 0.0))
    }
    scores = pd.DataFrame({name: table.mean(axis=1) for name, table in tables.items()})
    given = rank_stability(scores, resamples=500).share[1].max()
    redrawn = rank_stability(scores, trainings=tables, resamples=500).share[1].max()
    assert given > 0.99
    assert redrawn < 0.95


def test_two_models_have_no_omnibus_test() -> None:
    found = friedman(pd.DataFrame({"A": varied(1), "B": varied(2)}))
    assert np.isnan([found.statistic, found.p]).all()
    assert (found.models, found.n) == (2, 20)
