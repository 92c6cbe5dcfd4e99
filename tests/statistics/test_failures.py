"""What a failure counts as, exact limits of rates, worst decile and performance profiles, margins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.results.measures import WHOLE, ef_error
from harness.statistics.failures import failed_trainings, failure_rate, mean_share, rate_of, worst_ef_error
from harness.statistics.robust import profile, worst_decile


@pytest.mark.parametrize(("failed", "n"), [(0, 25), (0, 50), (3, 50), (50, 50)])
def test_limits_of_a_rate_are_the_quantiles_of_beta_distributions(failed: int, n: int) -> None:
    found = failure_rate(failed, n)
    low = stats.beta.ppf(0.025, failed, n - failed + 1) if failed else 0.0
    high = stats.beta.ppf(0.975, failed + 1, n - failed) if failed < n else 1.0
    assert (found.rate, found.low, found.high) == pytest.approx((failed / n, low, high), abs=1e-9)


def test_no_failure_among_twenty_five_does_not_exclude_thirteen_percent() -> None:
    assert 100 * failure_rate(0, 25).high == pytest.approx(13.7, abs=0.05)
    assert 100 * failure_rate(0, 50).high == pytest.approx(7.1, abs=0.05)


def test_a_share_of_frames_has_the_limits_of_patients_and_whole_patients_those_of_a_rate() -> None:
    found, rate = mean_share([0.0] * 22 + [1.0] * 3 + [np.nan]), failure_rate(3, 25)
    assert (found.point, found.low, found.high, found.n) == (rate.rate, rate.low, rate.high, 25)
    half = mean_share([0.0] * 22 + [0.5] * 3)
    assert (half.point, half.n) == (0.06, 25)
    assert (half.low, half.high) == pytest.approx((stats.beta.ppf(0.025, 1.5, 24.5), stats.beta.ppf(0.975, 2.5, 23.5)))
    assert mean_share([0.0] * 25).high == pytest.approx(0.137, abs=0.0005)
    assert (mean_share([1.0] * 25, 0.9).level, mean_share([1.0] * 25).level) == (0.9, 0.95)
    assert mean_share([1.0] * 25, 0.9).low == pytest.approx(stats.beta.ppf(0.05, 25, 1))
    assert np.isnan([mean_share([]).point, mean_share([np.nan]).high]).all()


def test_without_patients_there_is_no_rate() -> None:
    assert np.isnan(failure_rate(0, 0).rate)
    assert failure_rate(0, 0).learned


def test_an_arm_that_fails_in_most_patients_has_not_learned() -> None:
    assert failure_rate(25, 50).learned
    assert not failure_rate(26, 50).learned


def test_the_worst_ef_error_is_that_of_the_further_end_of_the_scale() -> None:
    found = worst_ef_error(pd.Series([62.0, 20.0, 50.0, np.nan]))
    assert list(found) == pytest.approx([62, 80, 50, np.nan], nan_ok=True)


def test_a_patient_fails_whose_mean_over_trainings_does() -> None:
    # 64, 41, nothing scored, 50 (half is not less than half), 40: one training of three failed, and the mean with it
    rows = [[90.0, 92.0, 10.0], [10.0, 20.0, 93.0], [np.nan] * 3, [50.0, 50.0, 50.0], [0.0, 60.0, 60.0]]
    found = rate_of(pd.DataFrame(rows, index=list("abcde")), scale=100)
    assert (found.failed, found.n) == (2, 4)


def test_a_training_that_failed_is_named_though_the_mean_hides_it() -> None:
    dice = pd.DataFrame({0: 12 * [92.0], 1: 12 * [0.0], 2: 12 * [91.0]})
    assert rate_of(dice, scale=100).failed == 0
    assert failed_trainings(dice, scale=100) == [1]
    assert failed_trainings(dice[[0, 2]], scale=100) == []


def test_the_worst_decile_counts_the_last_patient_with_a_fraction() -> None:
    values = np.arange(25.0)  # worst 2.5 patients: 0, 1 and half of 2
    assert worst_decile(values) == pytest.approx((0 + 1 + 0.5 * 2) / 2.5)
    assert worst_decile(values, higher=False) == pytest.approx((24 + 23 + 0.5 * 22) / 2.5)
    assert worst_decile(np.array([3.0, np.nan, 1.0])) == 1.0
    assert np.isnan(worst_decile([]))


def test_a_profile_is_the_share_at_or_above_each_threshold() -> None:
    values = np.array([90.0, 95.0, 80.0, np.nan, 95.0])
    expected = [np.mean(values[np.isfinite(values)] >= t) for t in (0, 80, 90.5, 95, 99)]
    assert profile(values, [0, 80, 90.5, 95, 99]) == pytest.approx(expected)
    assert np.isnan(profile([], [1.0])).all()


def test_no_answer_is_never_better_than_a_bad_one() -> None:
    """An EF of -200 against 60 is 60 points off, as no EF is."""
    rows = pd.DataFrame(
        [
            {
                "patient": patient,
                "view": "",
                "phase": "",
                "frame": -1,
                "structure": "lv",
                "metric": f"ef_x_{side}",
                "value": value,
            }
            for patient, predicted in (("a", -200.0), ("b", np.nan), ("c", 50.0))
            for side, value in (("predicted", predicted), ("reference", 60.0))
        ]
    )
    assert ef_error("x").by_patient(rows, WHOLE).iloc[:, 0].to_dict() == {"a": 60.0, "b": 60.0, "c": 10.0}
