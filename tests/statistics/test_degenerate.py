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
from harness.statistics.paired import compare, false_outperformance, hodges_lehmann, rank_biserial, signed_rank_p
from harness.statistics.ranks import friedman, nemenyi, rank_stability
from harness.statistics.seeds import difference, summarise

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


def test_two_equal_models_are_equivalent_with_p_of_one() -> None:
    (one,) = compare("A", {"B": varied()}, varied())
    assert (one.p, one.p_adjusted, one.shift, one.low, one.high) == (1.0, 1.0, 0.0, 0.0, 0.0)
    assert (one.rank_biserial, one.false_claim, one.verdict) == (0.0, 0.5, "equivalent")
    assert (one.mean_low, one.mean_high) == (0.0, 0.0)


def test_a_constant_gain_is_superior_and_sure() -> None:
    (one,) = compare("A", {"B": constant(0.88)}, constant(0.90))
    assert one.shift == pytest.approx(0.02)
    assert (one.rank_biserial, one.false_claim, one.verdict) == (1.0, 0.0, "superior")
    assert one.p < 1e-4


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_pairs_have_no_p_and_no_interval(n: int) -> None:
    (one,) = compare("A", {"B": varied(1)[:n]}, varied())
    assert one.n == n
    assert math.isnan(one.p)
    assert math.isnan(one.low)
    assert math.isnan(one.mean_low)
    assert one.verdict == "undecided"
    assert not one.significant()


def test_between_six_and_nine_patients_there_is_a_test_but_no_interval() -> None:
    (one,) = compare("A", {"B": varied()[:9] - 0.05}, varied())
    assert one.p < 0.05
    assert math.isnan(one.low)
    assert one.verdict == "undecided"


def test_a_gap_in_one_model_or_seed_takes_the_patient_out_of_that_pair_only() -> None:
    gappy = varied(1)
    gappy.iloc[:3] = np.nan
    found = compare("A", {"B": gappy, "C": varied(2)}, varied())
    assert [one.n for one in found] == [17, 20]
    seeds = pd.DataFrame({0: varied(1), 1: gappy})
    (one,) = compare("A", {"B": seeds}, varied())
    assert one.n == 17


def test_nothing_in_common_is_no_comparison() -> None:
    (one,) = compare("A", {"B": varied().rename(lambda name: f"x{name}")}, varied())
    assert one.n == 0
    assert math.isnan(one.shift)
    assert math.isnan(one.false_claim)


def test_empty_samples_are_missing_everywhere() -> None:
    assert all(math.isnan(value) for value in hodges_lehmann([]))
    assert math.isnan(rank_biserial([]))
    assert math.isnan(signed_rank_p([]))
    assert math.isnan(false_outperformance([], []))
    assert math.isnan(mean_interval([]).point)
    assert math.isnan(summarise(np.zeros((0, 3))).interval.point)
    assert math.isnan(summarise(np.zeros((0, 3))).seed_sd)
    assert agreement([], []).n == 0


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


def test_a_difference_over_seeds_redraws_the_seeds_of_both_models() -> None:
    rng = np.random.default_rng(3)
    patients = rng.normal(0, 0.02, (40, 1))
    a = 0.9 + patients + rng.normal(0, 0.01, (1, 3)) + rng.normal(0, 0.001, (40, 3))
    b = 0.9 + patients + rng.normal(0, 0.01, (1, 3)) + rng.normal(0, 0.001, (40, 3))
    found = difference(a, b)
    assert found.interval.point == pytest.approx(a.mean() - b.mean())
    assert found.seed_sd == pytest.approx(np.hypot(a.mean(axis=0).std(ddof=1), b.mean(axis=0).std(ddof=1)))
    assert found.interval.high - found.interval.low > 5 * (found.patients.high - found.patients.low)
    single = difference(a[:, 0], b[:, 0])
    assert single.interval == single.patients
    assert math.isnan(single.seed_sd)
