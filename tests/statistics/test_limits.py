"""At the limits themselves: the smallest group that counts, two trainings, one shared patient, an EF of a half, words as categories."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from harness.statistics.bootstrap import SMALLEST_SAMPLE
from harness.statistics.failures import worst_ef_error
from harness.statistics.patients import averaged
from harness.statistics.power import components
from harness.statistics.subgroups import subgroups


def test_the_worst_error_of_an_ef_is_towards_the_farther_end() -> None:
    assert worst_ef_error(pd.Series([49.5, 50.0, 50.5])).tolist() == [50.5, 50.0, 50.5]


def test_groups_of_the_smallest_size_are_tested() -> None:
    noise = np.random.default_rng(0).normal(size=2 * SMALLEST_SAMPLE)
    values = pd.Series(noise + np.repeat([0.0, 5.0], SMALLEST_SAMPLE))
    groups = pd.Series(np.repeat(["good", "poor"], SMALLEST_SAMPLE))
    assert subgroups(values, groups).p < 0.001
    assert math.isnan(subgroups(values[1:], groups[1:]).p)


def test_two_trainings_have_a_spread_and_one_shared_patient_has_no_variance() -> None:
    draw = np.random.default_rng(1)
    first, second = (pd.DataFrame(draw.normal(size=(6, 2))) for _ in range(2))
    assert components(first, second).trainings >= 0
    assert math.isnan(components(first[[0]], second[[0]]).trainings)
    assert math.isnan(components(first[:1], second[:1]).patients)


def test_means_by_categories_have_the_words_for_an_index() -> None:
    rows = pd.DataFrame({"patient": ["b", "a", "b"], "view": "4CH", "value": [1.0, 2.0, 3.0]})
    rows["patient"] = pd.Categorical(rows["patient"], ["z", "b", "a"])
    expected = pd.Series([2.0, 2.0], index=pd.Index(["b", "a"], name="patient"), name="value")
    pd.testing.assert_series_equal(averaged(rows, ["patient"]), expected)
