"""What training with the perturbations buys, against values worked out by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drawn_sweep import results

from harness.reporting.tables.augmentation_gains import augmentation_table
from harness.results.comparisons import augmented_pairs, gains
from harness.results.measures import DICE, EF_ERROR, FAILURE
from harness.results.result_set import ResultSet
from harness.statistics.failures import failure_rate


@pytest.fixture(scope="module")
def demo() -> ResultSet:
    """Plain loses 2 points a step (haze 4), augmented half of it; the augmented arm saw haze."""
    return results("GDKVM", GDKVM=0.02, better=0.01)


def test_gains_are_paired_differences_by_kind_of_images(demo):
    found = gains(demo, DICE).set_index("images")
    assert list(found.index) == ["clean images", "1 seen perturbations", "1 unseen perturbations"]
    assert [one.difference for one in found["gain"]] == pytest.approx([0.0, 6.0, 3.0])  # mean severity is 3
    base = 100 * np.mean([0.9 + patient / 1000 for patient in range(12)])
    assert found.loc["1 seen perturbations", "plain"].point == pytest.approx(base - 12)
    assert found.loc["1 seen perturbations", "augmented"].point == pytest.approx(base - 6)


def test_one_family_is_every_test_of_a_quantity(demo):
    runs = tuple(dataclasses.replace(run, seed=seed) for run in demo.runs for seed in range(3))
    found = gains(dataclasses.replace(demo, runs=runs), DICE).set_index("images")["gain"]
    assert {(one.tests, one.correction) for one in found} == {(3, "bonferroni")}
    assert [one.shown for one in found] == [False, True, True]
    assert found["clean images"].p_adjusted == 1.0


def test_a_mean_is_over_the_conditions_that_both_arms_have(demo):
    """Patients 0 and 1 lack a value at severity 5 in one arm: both means are then over the four others."""
    plain, augmented = demo.runs
    table = augmented.swept.copy()
    table.loc[table["patient"].isin(["p00", "p01"]) & (table["severity"] == 5), "ef_error"] = np.nan
    changed = dataclasses.replace(demo, runs=(plain, dataclasses.replace(augmented, swept=table)))
    found = gains(changed, EF_ERROR).set_index("images").loc["1 seen perturbations"]
    assert found["plain"].point == found["augmented"].point == pytest.approx((10 * 3.0 + 2 * 2.5) / 12)


def test_rates_of_arms_that_never_fail_differ_by_no_more_than_their_exact_limit():
    found = gains(results("GDKVM", GDKVM=0.04, better=0.01), FAILURE).set_index("images")
    never = found.loc["clean images"]
    reach = 100 * failure_rate(0, 12).high
    assert (never["plain"].low, never["plain"].high) == (0, round(reach, 4))
    assert (never["gain"].low, never["gain"].difference, never["gain"].high) == (-reach, 0, reach)
    some = found.loc["1 seen perturbations"]
    assert some["plain"].low > 0
    assert some["gain"].low < some["gain"].difference < some["gain"].high < 0
    assert gains(results("GDKVM", GDKVM=0.01, better=0.01), DICE)["gain"].iloc[0].high == 0, "equal Dice is equal"


def test_the_table_shows_gain_significance_and_what_was_seen(demo):
    table = augmentation_table(demo)
    assert table is not None
    assert table.name == "robustness_augmentation"
    assert table.groups[0] == "Dice [%], higher is better"
    dice = [row for row in table.rows if row.group.startswith("Dice")]
    assert [row.label for row in dice] == [
        "GDKVM, clean images",
        "GDKVM, 1 seen perturbations",
        "GDKVM, 1 unseen perturbations",
    ]
    assert [row.cells["gain"].dagger for row in dice] == [False, False, False]
    assert "Trainings, not models, were compared" in table.caption
    assert "Seen in training: haze." in table.notes


def test_without_a_plain_twin_there_is_no_table():
    drawn = results(GDKVM=0.02, better=0.01)
    assert augmented_pairs(drawn) == []
    assert augmentation_table(drawn) is None
    assert gains(drawn, DICE).empty


def test_an_arm_that_saw_everything_has_no_unseen_row(demo):
    plain, augmented = demo.runs
    seen = dataclasses.replace(augmented, seen=frozenset(demo.perturbations))
    found = gains(dataclasses.replace(demo, runs=(plain, seen)), DICE)
    assert found["images"].tolist() == ["clean images", "2 seen perturbations"]
