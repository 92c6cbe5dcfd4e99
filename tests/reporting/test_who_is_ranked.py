"""Who gives no answer, or has not learned, is never marked as best; limits stay where values can lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.reporting.leaderboard import SHOWN
from harness.reporting.tables.ejection_fraction import ef_table
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.over_time import stage_table, time_table
from harness.reporting.tables.table import Cell, Row, Table, on_scale
from harness.results.measures import DICE, FAILURE, FLIPS, HD95, Measure, distances, over_time
from harness.results.passing import AFTER, INSIDE, LOSS_AFTER, LOSS_INSIDE, RECOVERY
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults

METRICS = ("dice", "hd95_mm", "asd_mm", "nsd_mm")
TIMES = ("flicker_predicted", "ed_timing_error_frames", "es_timing_error_ms")


def sequences(label: str, error: float, *, answers: int = 12, lost: float = float("nan")) -> RunResults:
    """Twelve patients of nine frames; of those after the first ``answers`` nothing is found over time, and Dice is ``lost``."""
    lines = []
    for number in range(12):
        clip = {"split": "test", "patient": f"p{number:02d}", "view": "4CH", "structure": "lv", "seed": 0}
        silent = number >= answers
        for frame in range(9):
            phase = {0: "ED", 4: "ES"}.get(frame, "labelled")
            dice = lost if silent else 0.9 - error / 100 + number / 1000
            lines += [{**clip, "frame": frame, "phase": phase, "metric": metric, "value": dice} for metric in METRICS]
        value = np.nan if silent else error + number / 100
        lines += [{**clip, "frame": -1, "phase": "", "metric": metric, "value": value} for metric in TIMES]
    return RunResults(label=label, model=label, rows=pd.DataFrame(lines))


def suite(*runs: RunResults) -> ResultSet:
    return ResultSet(name="demo", dataset="phantom", runs=runs, reference=runs[0].label)


def marked(table: Table | None, label: str, key: str, group: str = "") -> str:
    assert table is not None
    (index,) = [i for i, row in enumerate(table.rows) if (row.label, row.group) == (label, group)]
    return table.marks().get((index, key), "")


def row_of(table: Table | None, label: str, group: str = "") -> Row:
    assert table is not None
    return next(row for row in table.rows if (row.label, row.group) == (label, group))


def test_who_answers_for_three_of_twelve_is_not_the_best_over_time() -> None:
    table = time_table(suite(sequences("A", 3.0), sequences("B", 4.0), sequences("C", 1.0, answers=3)))
    key = "ed_timing_frames"
    assert [marked(table, label, key) for label in "ABC"] == ["best", "second", ""]
    silent = row_of(table, "C")
    assert (silent.cell("patients").value, silent.cell(f"{key}_n").value) == (12, 3)
    assert table is not None
    assert "C, ED found: over 3 of 12 patients." in table.notes
    assert not any(note.startswith("A,") for note in table.notes)


def test_stages_name_how_many_patients_they_are_over() -> None:
    table = stage_table(suite(sequences("A", 3.0), sequences("B", 4.0), sequences("C", 1.0, answers=9)))
    assert [marked(table, label, "mid_systole") for label in "ABC"] == ["best", "second", ""]
    assert row_of(table, "C").cell("ED_n").value == 9
    assert table is not None
    assert "C, ED: over 9 of 12 patients." in table.notes


def test_a_model_that_has_not_learned_is_not_the_steadiest() -> None:
    results = suite(sequences("A", 3.0), sequences("B", 4.0), sequences("C", 90.0))
    still = results.runs[2]
    rows = still.rows.copy()
    rows.loc[rows["metric"].isin(TIMES), "value"] = 0.0
    table = time_table(suite(*results.runs[:2], replace(still, rows=rows)))
    assert [marked(table, label, "flicker") for label in "ABC"] == ["best", "second", ""]


def test_no_ef_is_no_good_ef(make_suite: Callable[..., ResultSet]) -> None:
    whole = make_suite(patients=12, models=("GDKVM", "U-Net", "STM"))
    runs = list(whole.runs)
    rows = runs[2].rows.copy()
    predicted = rows["metric"] == "ef_biplane_predicted"
    truth = rows.loc[rows["metric"] == "ef_biplane_reference", "value"].to_numpy()
    # Perfect where it answers, and silent for half of the patients.
    rows.loc[predicted, "value"] = np.where(np.arange(12) < 6, truth + 0.01 * np.arange(12), np.nan)
    results = replace(whole, runs=(*runs[:2], replace(runs[2], rows=rows)))
    table, group = ef_table(results), "against the reference masks"
    silent = row_of(table, "STM", group)
    assert (silent.cell("unanswered").value, silent.cell("patients").value) == (6, 6)
    for key in ("mae", "rmse", "r", "sd"):
        assert marked(table, "STM", key, group) == ""
        assert "best" in {marked(table, label, key, group) for label in ("GDKVM", "U-Net")}
    assert table is not None
    assert table.column("mae").header == "MAE of answered"
    assert marked(main_table(results), "STM", "ef_r") == ""
    mute = rows.assign(value=rows["value"].mask(predicted))
    nobody = row_of(ef_table(replace(whole, runs=(*runs[:2], replace(runs[2], rows=mute)))), "STM", group)
    assert (nobody.cell("unanswered").value, nobody.cell("patients").value) == (12, 0)
    assert np.isnan(nobody.cell("mae").value)


def test_a_model_that_failed_in_all_patients_has_no_mark_in_the_main_table(
    make_suite: Callable[..., ResultSet],
) -> None:
    whole = make_suite(patients=12, models=("GDKVM", "U-Net"))
    rows = whole.runs[1].rows.copy()
    rows.loc[rows["metric"] == "dice", "value"] = 0.0
    rows.loc[rows["metric"] == "hd95_mm", "value"] = 0.0
    table = main_table(replace(whole, runs=(whole.runs[0], replace(whole.runs[1], rows=rows))))
    assert marked(table, "U-Net", "hd95_mm") == ""


def test_limits_of_two_trainings_stay_between_nothing_and_everything(make_suite: Callable[..., ResultSet]) -> None:
    whole = make_suite(patients=12, seeds=2, models=("GDKVM",))
    rows = whole.runs[1].rows.copy()
    rows.loc[rows["metric"] == "dice", "value"] -= 0.6
    cell = row_of(main_table(replace(whole, runs=(whole.runs[0], replace(whole.runs[1], rows=rows)))), "GDKVM").cell(
        "dice"
    )
    assert (cell.low, cell.high) == (0.0, 100.0)


@pytest.mark.parametrize("measure", [DICE, FAILURE, FLIPS, INSIDE, AFTER, *over_time("mm")[3:4]], ids=lambda m: m.name)
def test_shares_are_cut_at_both_ends_errors_and_distances_at_zero_and_losses_nowhere(measure: Measure) -> None:
    wide = Cell(value=60.9, low=-70.1, high=191.9)
    assert (on_scale(wide, measure).low, on_scale(wide, measure).high) == (0.0, 100.0)
    (area,) = [one for one in over_time("mm") if one.name == "area_error"]
    for other in (HD95, area, RECOVERY):
        assert on_scale(wide, other) == replace(wide, low=0.0)
    for free in (LOSS_INSIDE, LOSS_AFTER, replace(area, direction="none")):
        assert on_scale(wide, free) == wide
    assert not on_scale(Cell(value=1.0), measure).has_interval


def test_a_leaderboard_takes_over_the_surface_dice_of_a_suite(make_suite: Callable[..., ResultSet]) -> None:
    rows = make_suite(patients=2, models=("GDKVM",)).runs[0].rows
    for unit in ("mm", "px"):
        table = pd.concat([rows, rows[rows["metric"] == "dice"].assign(metric=f"nsd_{unit}")])
        table["metric"] = table["metric"].str.replace("_mm", f"_{unit}")
        assert f"nsd_{unit}" in {measure.name for measure in distances([table])} & set(SHOWN)
