"""The sign-flip test of a mean, against enumeration, scipy and its own Monte Carlo."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from harness.statistics.exact import flip_interval, sign_flip, smallest_p


def test_four_of_twenty_five_pairs_of_one_sign_are_not_significant() -> None:
    found = sign_flip([0.4, 0.1, 0.3, 0.2] + 21 * [0.0])
    assert (found.p, found.error, found.pairs, found.informative) == (0.125, 0.0, 25, 4)
    assert sign_flip([0.4, 0.1, 0.3, 0.2, 0.7] + 45 * [0.0]).p == 0.0625


def test_p_is_the_share_of_all_signs() -> None:
    sample = np.array([0.3, -0.1, 0.7, 0.25, -0.45, 0.9, 0.05])
    sums = [abs(np.dot(signs, np.abs(sample))) for signs in itertools.product((-1, 1), repeat=7)]
    assert sign_flip(sample).p == np.mean(np.array(sums) >= abs(sample.sum()) - 1e-12)


def test_ties_count_as_extreme_and_scipy_agrees() -> None:
    sample = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 1.0, -1.0, 3.0])
    oracle = stats.permutation_test((sample,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(sample).p == pytest.approx(oracle.pvalue, abs=1e-12)


def test_above_twenty_informative_pairs_the_error_is_stated_and_holds() -> None:
    rng = np.random.default_rng(1)
    sample = rng.normal(0.3, 1, 21)
    exact = np.zeros(1)
    for size in np.abs(sample):
        exact = np.concatenate([exact + size, exact - size])
    truth = np.mean(np.abs(exact) >= abs(sample.sum()) - 1e-9)
    found = sign_flip(sample)
    assert found.error == pytest.approx(np.sqrt(truth * (1 - truth) / 20_000), rel=0.1)
    assert abs(found.p - truth) < 4 * found.error
    assert sign_flip(sample[:20]).error == 0.0


def test_a_large_difference_never_has_p_zero() -> None:
    assert sign_flip(np.full(60, 1.0)).p == pytest.approx(1 / 20_001)


def test_no_difference_gives_one_and_no_pair_gives_nothing() -> None:
    assert sign_flip(np.zeros(10)).p == 1.0
    assert np.isnan(sign_flip([]).p)
    assert sign_flip([np.nan, 1.0, 1.0]).pairs == 2


def test_it_keeps_its_level_with_many_zeros() -> None:
    rng = np.random.default_rng(2)
    p = [sign_flip(np.concatenate([rng.normal(0, 1, 8), np.zeros(17)])).p for _ in range(1000)]
    assert np.mean(np.array(p) < 0.05) < 0.07


def test_the_interval_is_every_difference_that_the_test_does_not_reject() -> None:
    sample = np.array([0.3, -0.1, 0.7, 0.25, -0.45, 0.9, 0.05, 0.6])
    low, high = flip_interval(sample, 0.9)
    for limit, inward in ((low, 1), (high, -1)):
        assert sign_flip(sample - limit - inward * 1e-6).p >= 0.1
        assert sign_flip(sample - limit + inward * 1e-6).p < 0.1


def test_the_interval_of_many_patients_is_that_of_the_same_random_signs() -> None:
    sample = np.random.default_rng(3).normal(0.3, 1, 40)
    for level in (0.8, 0.95, 0.99):
        low, high = flip_interval(sample, level)
        assert sign_flip(sample - low - 1e-9).p >= 1 - level > sign_flip(sample - low + 1e-6).p
        assert low < sample.mean() < high
    assert flip_interval(sample, 0.99)[0] < flip_interval(sample, 0.8)[0]


def test_few_patients_cannot_exclude_anything_at_a_high_level() -> None:
    sample = np.array([0.3, 0.4, 0.5])  # the smallest p is 2 of 8
    assert flip_interval(sample, 0.95) == (-np.inf, np.inf)
    assert np.isfinite(flip_interval(sample, 0.7)).all()
    assert np.isnan(flip_interval([])).all()


@pytest.mark.parametrize(("count", "level"), [(5, 0.95), (10, 0.999), (10, 0.95), (6, 0.95)])
def test_differences_that_are_all_alike_exclude_no_more_than_their_test_does(count: int, level: float) -> None:
    low, high = flip_interval([0.3] * count, level)
    rejected = sign_flip([0.3] * count).p < 1 - level
    assert (low > 0) == rejected
    assert (low, high) == (pytest.approx((0.3, 0.3)) if rejected else (-np.inf, np.inf))
    assert flip_interval([0.0] * count, level) == (0.0, 0.0)


@pytest.mark.parametrize("pairs", [1, 5, 10, 20, 21, 60])
def test_the_smallest_p_is_that_of_differences_of_one_sign(pairs: int) -> None:
    found = sign_flip(np.linspace(1, 2, pairs))
    assert smallest_p(pairs) == pytest.approx(found.p)
    assert smallest_p(pairs) <= sign_flip(np.r_[np.linspace(1, 2, pairs - 1), -0.1] if pairs > 1 else [1.0]).p


def test_a_hull_with_differences_of_zero_alone_holds_zero_and_the_other_interval() -> None:
    assert flip_interval([0.0] * 12, 0.95, (0.2, 0.5)) == (0.0, 0.5)
    assert flip_interval([0.0] * 12, 0.95, (-0.5, -0.2)) == (-0.5, 0.0)
