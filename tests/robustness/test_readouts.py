"""Read-outs against values worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from drawn_sweep import NAMES, SEVERITIES, arm, dice, results, rows, run_results
from scipy import stats

from harness.reporting.tables.robustness_by_severity import severity_table
from harness.reporting.tables.robustness_summary import summary_table
from harness.results.comparisons import by_condition, overall
from harness.results.conditions import (
    at,
    clean,
    curve_area,
    drop,
    interval,
    mean_of,
    relative_drop,
    relative_performance,
)
from harness.results.measures import DICE, EF_ERROR, FAILURE, Measure, sweep_patients
from harness.statistics.bootstrap import mean_interval


def patient_values(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    return sweep_patients(table).get(measure.name, pd.DataFrame())


def test_a_patient_is_the_mean_of_frames_then_views():
    wide = patient_values(rows(0.02), DICE)
    assert wide.shape == (12, 11)
    assert wide.loc["p03", ("speckle", 2)] == pytest.approx(100 * dice(3, "speckle", 2, 0.02))
    uneven = rows(0.02)
    single = uneven[~((uneven["view"] == "4CH") & (uneven["phase"] == "ES"))]
    expected = 100 * (dice(3, "clean", 0, 0.02) + (0.0 + 0.01) / 2)
    assert clean(patient_values(single, DICE))["p03"] == pytest.approx(expected)


def test_mean_drop_area_and_relative_performance_follow_their_definitions():
    wide = patient_values(rows(0.02), DICE)
    base = 100 * (0.9 + np.arange(12) / 1000)
    assert clean(wide).to_numpy() == pytest.approx(base)
    haze = mean_of(wide, ["haze"], SEVERITIES)
    assert haze.to_numpy() == pytest.approx(base - 4.0 * 3)  # mean severity 3, four points a step
    assert drop(wide, haze, higher=True).to_numpy() == pytest.approx(np.full(12, 12.0))
    assert drop(wide, haze, higher=False).to_numpy() == pytest.approx(np.full(12, -12.0))
    assert curve_area(wide, "haze", SEVERITIES).to_numpy() == pytest.approx(
        base - 4.0 * 2.5
    )  # a straight line from 0 to 5
    both = mean_of(wide, NAMES, SEVERITIES)
    assert both.to_numpy() == pytest.approx(base - 9.0)
    assert relative_performance(wide, both).point == pytest.approx(100 * (base.mean() - 9) / base.mean())


def test_intervals_are_those_of_the_patients():
    values = mean_of(patient_values(rows(0.02), DICE), NAMES, SEVERITIES)
    assert interval(values) == mean_interval(values.to_numpy())


def test_a_rate_of_failures_has_exact_limits_also_where_nobody_failed():
    wide = patient_values(rows(0.04), FAILURE)
    nobody, some = interval(clean(wide), FAILURE), interval(at(wide, "haze", 5), FAILURE)
    assert (nobody.point, nobody.low, nobody.n) == (0, 0, 12)
    assert nobody.high == pytest.approx(100 * stats.beta.ppf(0.975, 1, 12), abs=5e-5)
    failed = at(wide, "haze", 5).sum() / 100
    assert some.point == pytest.approx(100 * failed / 12)
    assert some.low == pytest.approx(100 * stats.beta.ppf(0.025, failed, 13 - failed), abs=5e-5)
    assert interval(clean(wide), FAILURE) != interval(clean(wide))


def test_the_tables_of_a_sweep_show_the_exact_limits_and_say_so():
    drawn = results(GDKVM=0.04, other=0.01)
    exact = interval(at(drawn.arms[1].under(FAILURE), "speckle", 1), FAILURE)
    table = severity_table(drawn, FAILURE)
    cell = next(row for row in table.rows if (row.label, row.group) == ("other", "speckle")).cell("severity_1")
    assert (cell.value, cell.low, cell.high) == (0, exact.low, exact.high)
    assert "exact 95 % (Clopper–Pearson) limits" in table.caption
    assert "95 % bootstrap-t interval" in severity_table(drawn, DICE).caption
    assert summary_table(drawn).rows[1].cell("failure_clean").high == exact.high == pytest.approx(26.46, abs=0.01)
    assert "with exact limits over patients" in summary_table(drawn).caption


def test_a_condition_that_was_not_measured_is_missing_not_zero():
    wide = patient_values(rows(0.02), DICE)
    assert at(wide, "jpeg", 3).isna().all()
    assert mean_of(wide, ["haze", "jpeg"], SEVERITIES).isna().all()
    assert math.isnan(interval(at(wide, "jpeg", 3)).point)


def test_failures_are_the_frames_below_one_half():
    table = rows(0.04)  # haze: 0.9 - 0.4 = 0.5 at severity 5, plus patient / 1000 and the offsets of the frames
    wide = patient_values(table, FAILURE)
    assert (clean(wide) == 0).all()
    assert at(wide, "haze", 5)["p00"] == 50.0
    assert at(wide, "haze", 5)["p11"] == 25.0
    undefined = table.assign(value=np.where(table["metric"] == "dice", np.nan, table["value"]))
    assert patient_values(undefined, FAILURE).isna().all(axis=None)


def test_an_ef_that_was_not_computed_counts_with_the_worst_error_possible():
    wide = patient_values(rows(0.02), EF_ERROR)
    assert at(wide, "speckle", 3).tolist() == [3.0] * 12
    assert at(wide, "haze", 5)["p00"] == 60.0  # the truth is 60: an answer of 0 would be furthest off
    assert interval(at(wide, "haze", 5)).n == 12
    without = rows(0.02)
    assert patient_values(without[without["metric"] == "dice"], EF_ERROR).empty


def test_seeds_are_averaged_per_patient():
    joined = arm(run_results("a", 0.02), run_results("a", 0.04, seed=1))
    assert at(joined.under(DICE), "speckle", 1)["p00"] == pytest.approx(100 * (0.9 - 0.03))


def test_a_relative_drop_needs_a_reference_that_drops():
    assert relative_drop(6.0, 4.0) == 150.0
    assert math.isnan(relative_drop(6.0, 0.9))


def trained(count: int, **losses: float):
    """A sweep of several trainings of each model, drawn alike."""
    demo = results(**losses)
    runs = [dataclasses.replace(run, seed=seed) for run in demo.runs for seed in range(count)]
    return dataclasses.replace(demo, runs=tuple(runs))


def test_comparisons_at_equal_severity_are_paired_and_corrected_as_a_whole():
    found = by_condition(trained(3, GDKVM=0.01, other=0.02, third=0.01), DICE)
    assert len(found) == 5 * 2 * 2
    haze = [found[severity, "haze", "other"] for severity in SEVERITIES]
    assert [one.difference for one in haze] == pytest.approx([2.0, 4.0, 6.0, 8.0, 10.0])
    assert {one.n for one in haze} == {12}
    assert {(one.tests, one.correction) for one in found.values()} == {(20, "benjamini-hochberg")}
    assert all(one.shown == (other == "other") for (_, _, other), one in found.items())


def test_one_training_each_is_no_comparison_of_models_under_faults():
    demo = results(GDKVM=0.01, other=0.02)
    tests = [*by_condition(demo, DICE).values(), *(one for family in overall(demo, DICE).values() for one in family)]
    assert {one.verdict for one in tests} == {"not compared"}


def test_what_a_fault_costs_is_compared_itself():
    (lost,) = overall(trained(3, GDKVM=0.01, other=0.02), DICE)["loss"]
    assert lost.difference == pytest.approx(-4.5)  # the reference loses less
    assert (lost.verdict, lost.shown) == ("superior", True)
    (perturbed,) = overall(trained(3, GDKVM=0.01, other=0.02), DICE)["dice"]
    assert perturbed.difference == pytest.approx(4.5)
    assert perturbed.verdict == "superior"


def test_a_model_that_is_worse_everywhere_alike_does_not_lose_more():
    demo = trained(3, GDKVM=0.01, other=0.01)
    worse = tuple(
        dataclasses.replace(run, swept=run.swept.assign(dice=run.swept["dice"] - 5)) if run.label == "other" else run
        for run in demo.runs
    )
    tests = overall(dataclasses.replace(demo, runs=worse), DICE)
    assert tests["loss"][0].difference == pytest.approx(0, abs=1e-9)
    assert tests["loss"][0].verdict == "equivalent"
    assert tests["dice"][0].difference == pytest.approx(5)


def test_without_any_rows_of_a_quantity_the_table_is_empty():
    assert patient_values(pd.DataFrame(columns=rows(0.02).columns), DICE).empty
