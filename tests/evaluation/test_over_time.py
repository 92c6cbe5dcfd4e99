"""Sequences are scored on every frame whose mask is true, apart from ED and ES and from interpolated masks, and over time."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from beating_split import FakeSplit, fake_split, predict_brightness

from harness.evaluation.casework import BETWEEN
from harness.evaluation.evaluator import evaluate
from harness.evaluation.temporal import area_error, flicker
from harness.reporting.tables.over_time import stage_table, time_table
from harness.results.frames import at_ends, by_stage, every_frame
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults

RUN = {"run": "r", "model": "m", "seed": 0}


def true_masks(frames: int = 9) -> FakeSplit:
    """Two patients whose every mask is true, as a phantom's are."""
    split = fake_split(2, frames)
    for clip in split.clips:
        clip.labelled[:], clip.interpolated[:] = True, False
    return split


def blinking(frames: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
    """Loses the upper half of the picture in the third frame and has it back in the fourth."""
    logits = predict_brightness(frames, first)
    logits[2, 1, :12] = -1.0
    return logits


def late(frames: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
    """Shows what was there two frames ago."""
    logits = predict_brightness(frames, first)
    return torch.cat([logits[:1], logits[:1], logits[:-2]])


def rows_of(split: FakeSplit, predict=predict_brightness) -> pd.DataFrame:
    return evaluate(
        predict,
        split,
        structures="lv",
        clip_length=None,
        first_frame="auto",
        run_columns=RUN,
        all_frames=True,
        progress=False,
    )


def suite(**rows: pd.DataFrame) -> ResultSet:
    runs = tuple(RunResults(label=label, model=label, rows=table) for label, table in rows.items())
    return ResultSet(name="demo", dataset="Fake", runs=runs)


def mean(rows: pd.DataFrame, metric: str) -> float:
    return float(rows.loc[rows["metric"] == metric, "value"].mean())


@pytest.fixture(scope="module")
def steady() -> pd.DataFrame:
    return rows_of(true_masks())


@pytest.fixture(scope="module")
def restless() -> pd.DataFrame:
    return rows_of(true_masks(), blinking)


def test_frames_between_the_ends_have_rows_and_no_part_in_headline_figures(restless):
    frames = restless[restless["frame"] >= 0]
    dice = frames[frames["metric"] == "dice"]
    assert dice.groupby(["patient", "view"])["frame"].nunique().eq(9).all()
    between = frames[frames["phase"] == "labelled"]
    assert all(name.startswith(BETWEEN) for name in between["metric"])
    assert set(at_ends(frames)["phase"]) == {"ED", "ES"}
    assert mean(at_ends(frames), "dice") > 0.95 > mean(every_frame(frames), "dice")


def test_a_clip_without_ed_and_es_keeps_all_of_its_labelled_frames():
    table = pd.DataFrame({"patient": ["1", "1", "2", "2"], "view": "4CH", "frame": [0, 1, 0, 1],
                          "phase": ["ED", "labelled", "labelled", "interp"], "metric": "dice", "value": 1.0})  # fmt: skip
    assert at_ends(table).index.tolist() == [0, 2]


def test_flicker_counts_what_goes_and_comes_back(steady, restless):
    disc = np.ones((4, 6, 6), bool)
    disc[1, :3] = False
    assert flicker(disc) == pytest.approx(18 / 72), "half of one of two inner frames"
    assert mean(restless, "flicker_predicted") > 0.02 > mean(restless, "flicker_reference")
    assert mean(steady, "flicker_predicted") < 0.01
    assert math.isnan(flicker(disc[:2]))


def test_the_area_curve_is_held_against_the_reference_s(steady, restless):
    assert area_error([8, 8], [10, 6]) == pytest.approx(0.25)
    assert mean(steady, "area_error") < 0.05 < mean(restless, "area_error") + 0.02
    with pytest.raises(ValueError, match="equally long"):
        area_error([1], [1, 2])


def test_a_late_model_finds_es_and_its_smallest_area_late():
    rows = rows_of(true_masks(), late)
    table = time_table(suite(late=rows))
    cell = table.rows[0].cell("curve_ef_mae")
    # The smallest area that it ever shows is that of the seventh of nine frames, in the last one: no error of time there.
    assert table.rows[0].cell("es_timing_frames").value == 0
    assert cell.value > 3, "its smallest heart is not the smallest"


def test_the_table_over_time_is_computed_from_the_rows(restless):
    table = time_table(suite(steady=rows_of(true_masks()), blinking=restless))
    row = table.rows[1]
    per_view = every_frame(restless).query("metric == 'dice'").groupby(["patient", "view"])["value"].mean()
    assert row.cell("dice_every").value == pytest.approx(100 * per_view.groupby("patient").mean().mean())
    assert row.cell("flicker").value == pytest.approx(100 * mean(restless, "flicker_predicted"))
    assert row.cell("area_error").value == pytest.approx(100 * mean(restless, "area_error"))
    assert "dice_interpolated" not in {column.key for column in table.columns}
    assert all(column.source is not None for column in table.columns)


def test_the_words_of_the_tables_over_time(restless, same_words):
    both = suite(steady=rows_of(true_masks()), blinking=restless)
    same_words("over_time", time_table(both), stage_table(both), time_table(suite(model=rows_of(fake_split(2, 9)))))


def test_interpolated_masks_stand_apart():
    table = time_table(suite(model=rows_of(fake_split(2, 9))))
    keys = {column.key for column in table.columns}
    assert "dice_interpolated" in keys
    assert not {"dice_every", "hd95_every", "area_error", "curve_ef_mae"} & keys


def test_stages_cut_the_cycle_into_thirds(restless):
    rows = by_stage(restless)
    stages = rows.drop_duplicates("frame").sort_values("frame")["phase"].tolist()
    assert stages == [
        "ED",
        *(f"{part} systole" for part in ("early", "early", "mid", "mid", "mid", "late", "late")),
        "ES",
    ]
    table = stage_table(suite(blinking=restless))
    assert table.rows[0].cell("early_systole").value < 95 < table.rows[0].cell("late_systole").value


def test_stills_have_no_table_over_time():
    rows = rows_of(fake_split(1, 2))
    assert time_table(suite(model=rows)) is None
    # Pictures of no known phase: their headline figures are of every frame already.
    assert time_table(suite(model=rows.assign(phase=rows["phase"].replace(["ED", "ES"], "labelled")))) is None


def test_a_clip_that_begins_with_es_is_diastole_until_ed(restless):
    turned = restless[restless["frame"] >= 0].copy()
    last = turned["frame"].max()
    turned["frame"] = last - turned["frame"]
    stages = by_stage(turned).drop_duplicates("frame").sort_values("frame")["phase"].tolist()
    assert (stages[0], stages[-1], len(stages)) == ("ES", "ED", last + 1)
    assert set(stages[1:-1]) == {"early diastole", "mid diastole", "late diastole"}
