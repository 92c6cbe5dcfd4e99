"""Paired tests, corrections, effect sizes and the practical margin."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.statistics.paired import (
    compare,
    false_outperformance,
    hodges_lehmann,
    holm,
    margin_verdict,
    rank_biserial,
    signed_rank_p,
    signed_rank_quantile,
)

DEPRESSION = np.array([0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01])
"""Hollander and Wolfe, table 3.1: Hamilton depression scale factor IV, first minus second visit, nine patients."""
FIRST = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
SECOND = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])


def test_the_worked_example_of_hollander_and_wolfe_is_reproduced() -> None:
    difference = FIRST - SECOND
    np.testing.assert_allclose(difference, DEPRESSION, atol=1e-9)
    assert signed_rank_p(difference) == pytest.approx(0.0390625)
    shift, low, high = hodges_lehmann(difference, level=1 - 2 * 0.01953125)
    assert shift == pytest.approx(0.46, abs=1e-9)
    assert (low, high) == pytest.approx((0.010, 0.786), abs=1e-9)


def test_signed_rank_p_equals_enumeration_of_all_signs() -> None:
    sample = np.array([0.3, -0.1, 0.7, 0.25, -0.45, 0.9, 0.05])
    ranks = stats.rankdata(np.abs(sample))
    observed = abs(ranks[sample > 0].sum() - ranks.sum() / 2)
    sums = [sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in itertools.product((0, 1), repeat=7)]
    exact = np.mean([abs(s - ranks.sum() / 2) >= observed - 1e-9 for s in sums])
    assert signed_rank_p(sample) == pytest.approx(exact)


def test_pratt_ranks_zeros_with_the_rest_before_they_are_dropped() -> None:
    sample = np.array([0.0, 0.0, 0.0, 0.1, -0.2, 0.3, -0.4, 0.5, 0.6, 0.05, 0.7])
    ranks = stats.rankdata(np.abs(sample))[sample != 0]
    observed = abs(ranks[sample[sample != 0] > 0].sum() - ranks.sum() / 2)
    signs = np.array(list(itertools.product((0, 1), repeat=len(ranks))))
    exact = np.mean(np.abs(signs @ ranks - ranks.sum() / 2) >= observed - 1e-9)
    assert signed_rank_p(sample) == pytest.approx(exact)
    assert signed_rank_p(sample) != pytest.approx(stats.wilcoxon(sample, zero_method="wilcox").pvalue)


@pytest.mark.parametrize(("sample", "expected"), [(np.zeros(10), 1.0), (np.arange(5.0), np.nan)])
def test_no_difference_gives_one_and_too_few_pairs_give_no_p(sample: np.ndarray, expected: float) -> None:
    assert signed_rank_p(sample) == pytest.approx(expected, nan_ok=True)


def test_holm_steps_down_and_ignores_what_was_not_tested() -> None:
    adjusted = holm([0.01, np.nan, 0.04, 0.03])
    assert adjusted == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)


@pytest.mark.parametrize("n", [6, 9, 20, 50])
def test_signed_rank_quantiles_bound_the_tail(n: int) -> None:
    cut = signed_rank_quantile(n, 0.025)
    # P(W <= cut - 1) from the exact distribution that scipy's one-sided test uses on a sample with that rank sum
    mean, sd = n * (n + 1) / 4, np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    assert abs(cut - (mean - 1.96 * sd)) < 2.5


def test_the_tabulated_critical_values_of_the_signed_rank_sum_are_found() -> None:
    # two-sided 5 % critical values T as printed in tables: reject when T <= critical, that is cut - 1
    tables = {6: 0, 8: 3, 10: 8, 15: 25, 20: 52, 25: 89, 30: 137}
    assert {n: signed_rank_quantile(n, 0.025) - 1 for n in tables} == tables


def test_the_normal_approximation_joins_the_exact_quantile_smoothly() -> None:
    exact, approximate = signed_rank_quantile(200, 0.025), signed_rank_quantile(201, 0.025)
    assert 0 < approximate - exact < 150


def test_six_pairs_have_a_shift_and_five_have_no_interval() -> None:
    assert np.isfinite(hodges_lehmann(np.arange(6.0))[1])
    assert np.isnan(hodges_lehmann(np.arange(5.0))[1])


def test_rank_biserial_runs_from_minus_one_to_one() -> None:
    assert rank_biserial([0.1, 0.2, 0.3]) == 1
    assert rank_biserial([-0.1, -0.2]) == -1
    assert rank_biserial([1.0, -1.0]) == 0
    assert rank_biserial([0.0, 0.0]) == 0


def test_false_outperformance_is_the_printed_formula_and_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0.92, 0.03, 50)
    b = 0.5 * a + 0.5 * 0.915 + rng.normal(0, 0.02, 50)
    r, n = np.corrcoef(a, b)[0, 1], 50
    spread = a.var(ddof=1) + b.var(ddof=1) - 2 * a.std(ddof=1) * b.std(ddof=1) * r
    formula = stats.t.cdf(np.sqrt(n) * (b.mean() - a.mean()) / np.sqrt(spread), n - 1)
    assert false_outperformance(a, b) == pytest.approx(formula)
    assert false_outperformance(a, b) == pytest.approx(stats.ttest_rel(a, b, alternative="greater").pvalue)
    assert false_outperformance(a, a) == 0.5


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.6, 2.0, "superior"),
        (0.4, 2.0, "undecided"),
        (-0.4, 0.4, "equivalent"),
        (0.1, 0.4, "equivalent"),
        (-2.0, -0.6, "inferior"),
        (-2.0, 2.0, "undecided"),
        (np.nan, np.nan, "undecided"),
    ],
)
def test_an_interval_is_placed_against_the_margin(low: float, high: float, verdict: str) -> None:
    assert margin_verdict(low, high, 0.5) == verdict


def patients(values: np.ndarray) -> pd.Series:
    return pd.Series(values, index=[f"p{i}" for i in range(len(values))])


def test_a_comparison_pairs_by_patient_not_by_position() -> None:
    rng = np.random.default_rng(1)
    scores = patients(rng.normal(0.93, 0.02, 30))
    shuffled = (scores - 0.01).sample(frac=1, random_state=0)
    result = compare("ours", {"base": shuffled}, scores)[0]
    assert result.n == 30
    assert result.shift == pytest.approx(0.01)
    assert result.rank_biserial == pytest.approx(1.0)
    assert result.verdict == "superior"


def test_lower_is_better_turns_verdict_and_effect_but_not_the_difference() -> None:
    rng = np.random.default_rng(2)
    ours = patients(rng.normal(3.0, 0.3, 30))
    result = compare("ours", {"base": ours + 1 + rng.normal(0, 0.1, 30)}, ours, margin=0.5, higher=False)[0]
    assert result.shift < -0.9
    assert result.low < result.shift < result.high < 0
    assert result.rank_biserial == 1
    assert result.verdict == "superior"
    assert result.false_claim < 0.01


def test_patients_that_one_model_lacks_are_left_out() -> None:
    scores = patients(np.linspace(0.8, 0.95, 20))
    other = scores.iloc[5:] - 0.01
    other.iloc[0] = np.nan
    assert compare("ours", {"base": other}, scores)[0].n == 14


def test_the_family_of_the_correction_is_the_set_of_baselines() -> None:
    rng = np.random.default_rng(3)
    scores = patients(rng.normal(0.9, 0.02, 25))
    others = {name: scores + rng.normal(-0.004, 0.01, 25) for name in "abcd"}
    results = compare("ours", others, scores)
    raw = np.sort([one.p for one in results])
    smallest = min(results, key=lambda one: one.p)
    assert smallest.p_adjusted == pytest.approx(min(4 * raw[0], 1))
    assert all(one.p_adjusted >= one.p for one in results)
