"""Corrections of families, and that interval, corrected p and dagger never contradict each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from harness.statistics.crossed import Estimate
from harness.statistics.families import ALPHA, correct

P_VALUES = st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=24)


@given(P_VALUES)
def test_adjusted_values_are_those_of_statsmodels(p: list[float]) -> None:
    assert correct(p).adjusted == pytest.approx(multipletests(p, method="bonferroni")[1])
    assert correct(p, "benjamini-hochberg").adjusted == pytest.approx(multipletests(p, method="fdr_bh")[1])


@given(P_VALUES, st.sampled_from(["bonferroni", "benjamini-hochberg"]))
def test_a_corrected_p_is_small_exactly_where_the_raw_one_lies_below_the_familys_level(
    p: list[float], method: str
) -> None:
    found = correct(p, method)  # type: ignore[arg-type]
    assert ((found.adjusted < ALPHA) == (np.array(p) < found.level)).all()
    assert found.interval_level == 1 - found.level


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2.0)), min_size=1, max_size=12),
    st.sampled_from(["bonferroni", "benjamini-hochberg"]),
)
def test_a_dagger_stands_exactly_beside_an_interval_without_zero(pairs: list[tuple[float, float]], method: str) -> None:
    estimates = [Estimate(point, (error**2, error**2 / 3), (24.0, 5.0)) for point, error in pairs]
    family = correct([one.p for one in estimates], method)  # type: ignore[arg-type]
    for one, adjusted in zip(estimates, family.adjusted, strict=True):
        low, high = one.interval(family.interval_level)
        if abs(one.p - family.level) > 1e-9:
            assert (adjusted < ALPHA) == (low > 0 or high < 0)


def test_what_was_not_tested_does_not_count() -> None:
    found = correct([0.02, float("nan"), 0.04])
    assert found.tests == 2
    assert found.adjusted == pytest.approx([0.04, np.nan, 0.08], nan_ok=True)
    assert found.level == pytest.approx(0.025)


def test_the_level_of_the_false_discovery_rate_grows_with_what_is_shown() -> None:
    assert correct([0.001, 0.2, 0.3, 0.9], "benjamini-hochberg").level == pytest.approx(0.05 / 4)
    assert correct([0.001, 0.02, 0.03, 0.9], "benjamini-hochberg").level == pytest.approx(0.05 * 3 / 4)
    assert correct([0.2, 0.2, 0.3, 0.9], "benjamini-hochberg").level == pytest.approx(0.05 / 4)


def test_an_empty_family_tests_nothing() -> None:
    assert correct([]).tests == 0
    assert np.isnan(correct([float("nan")]).adjusted).all()
