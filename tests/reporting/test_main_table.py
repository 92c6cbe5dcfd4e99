"""The main table from case rows, recomputed independently of the code under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.errors import ConfigError
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.stored import write_table
from harness.reporting.tables.table import Row, Table
from harness.results.comparisons import all_comparisons
from harness.results.profile import headline, median_summary
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.results.suite import suite_results
from harness.store.runs import RunSpec, RunStore

Maker = Callable[..., ResultSet]


def row_of(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)


def dice_of(suite: ResultSet, label: str) -> pd.Series:
    rows = next(run.rows for run in suite.runs if run.label == label)
    return 100 * rows[rows.metric == "dice"].groupby("patient")["value"].mean()


def test_dice_is_the_mean_over_patients_in_percent(suite: ResultSet) -> None:
    table = main_table(suite)
    for label in ("GDKVM", "STM"):
        cell = row_of(table, label).cell("dice")
        assert cell.value == pytest.approx(dice_of(suite, label).mean())
        assert cell.low < cell.value < cell.high
        assert row_of(table, label).cell("patients").value == 20


def test_daggers_are_those_of_the_corrected_comparisons_of_models(make_suite: Callable[..., ResultSet]) -> None:
    suite = make_suite(seeds=3)
    found = all_comparisons(suite)
    table = main_table(suite)
    dice = {label: one for (name, label), one in found.items() if name == "dice"}
    assert {label: row_of(table, label).cell("dice").dagger for label in dice} == {
        label: min(4 * one.p, 1) < 0.05 for label, one in dice.items()
    }
    assert any(one.shown for one in dice.values())
    assert not row_of(table, "GDKVM").cell("dice").dagger


def test_ef_columns_compare_with_the_reference_masks_and_the_stated_ef(suite: ResultSet) -> None:
    rows = suite.runs[0].rows.set_index(["metric", "patient"])["value"]
    predicted, truth = rows["ef_biplane_predicted"], rows["ef_biplane_reference"]
    row = row_of(main_table(suite), "GDKVM")
    assert row.cell("ef_mae").value == pytest.approx((predicted - truth).abs().mean())
    assert row.cell("ef_r").value == pytest.approx(np.corrcoef(predicted, truth)[0, 1])
    assert row.cell("ef_stated_mae").value == pytest.approx((predicted - rows["ef_stated"]).abs().mean())


def test_cost_columns_are_the_streaming_condition(suite: ResultSet) -> None:
    row = row_of(main_table(suite), "U-Net")
    assert row.cell("fps").value == 210
    assert row.cell("parameters_m").value == pytest.approx(1.9)
    assert row.cell("gmacs_per_frame_torch").value == pytest.approx(1.33)
    assert row.cell("peak_memory_mb").value == 119


def test_a_failed_model_stays_in_the_table_with_its_reason(suite: ResultSet) -> None:
    failed = RunResults(label="Broken", model="broken", status="failed", reason="the loss became NaN")
    table = main_table(replace(suite, runs=(*suite.runs, failed)))
    assert np.isnan(row_of(table, "Broken").cell("dice").value)
    assert any("the loss became NaN" in note for note in table.notes)
    assert row_of(table, "GDKVM").cell("dice").value == row_of(main_table(suite), "GDKVM").cell("dice").value


def test_the_caption_names_what_a_reader_must_know(suite: ResultSet) -> None:
    text = main_table(suite).caption
    for word in (
        "trainings, not models, were compared",
        "Clopper–Pearson",
        "n = 20 patients",
        "bootstrap-t",
        "First-frame protocol: auto",
        "mean",
    ):
        assert word.lower() in text.lower()


def test_the_mark_of_a_partial_dataset_reaches_table_and_files(make_suite: Maker, tmp_path: Path) -> None:
    table = main_table(make_suite(patients=12, mark="partial: 4CH only", models=("GDKVM",)))
    write_table(table, tmp_path)
    assert "partial: 4CH only" in (tmp_path / "table.md").read_text()
    assert "partial: 4CH only" in (tmp_path / "table.tex").read_text()


def test_several_seeds_are_averaged_and_their_spread_is_shown(make_suite: Maker) -> None:
    suite = make_suite(patients=15, seeds=3)
    row = row_of(main_table(suite), "GDKVM")
    runs = [run.rows for run in suite.runs if run.label == "GDKVM"]
    means = [100 * rows[rows.metric == "dice"]["value"].mean() for rows in runs]
    assert row.cell("dice").value == pytest.approx(np.mean(means))
    assert row.cell("dice").seed_sd == pytest.approx(np.std(means, ddof=1))
    assert row.cell("patients").value == 15
    assert row.cell("seeds").value == 3


def test_pixel_distances_name_their_unit(make_suite: Maker) -> None:
    keys = [column.key for column in main_table(make_suite(patients=12, unit="px")).columns]
    assert "hd95_px" in keys
    assert "hd95_mm" not in keys


def test_fewer_than_ten_patients_give_values_without_intervals(make_suite: Maker) -> None:
    cell = row_of(main_table(make_suite(patients=6)), "GDKVM").cell("dice")
    assert np.isfinite(cell.value)
    assert not cell.has_interval


def test_a_suite_without_the_reference_has_no_tests(make_suite: Maker) -> None:
    for models in (("U-Net", "STM"), ("U-Net",), ("GDKVM",)):
        table = main_table(make_suite(patients=12, models=models))
        assert not any(row.cell("dice").dagger for row in table.rows)
        assert not any(word in table.caption for word in ("†", "Wilcoxon", "Holm", "baselines"))
        assert "GDKVM" not in table.caption


def test_where_no_test_was_made_the_caption_says_why_and_explains_no_dagger(make_suite: Maker) -> None:
    few = main_table(make_suite(patients=2, seeds=3, models=("GDKVM", "U-Net"))).caption
    assert "No test: fewer than 10 patients are shared with GDKVM" in few
    single = main_table(make_suite(patients=12, models=("GDKVM", "U-Net"))).caption
    assert "No daggers: trainings, not models, were compared" in single
    tested = main_table(make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net"))).caption
    assert ("†" in few, "†" in single, "† differs from GDKVM" in tested) == (False, False, True)


def test_a_speed_is_marked_only_outside_of_the_others_spread(suite: ResultSet) -> None:
    table = main_table(suite)
    marks = {row.label: table.marks().get((index, "fps"), "") for index, row in enumerate(table.rows)}
    # 210 [162, 233] and 60 [46.2, 66.7] stand alone: the next one is 41 [31.5, 45.6].
    assert marks == {"GDKVM": "", "U-Net": "best", "TransUNet": "second", "STM": "", "XMem": ""}
    cell = row_of(table, "U-Net").cell("fps")
    assert (cell.low, cell.high) == (pytest.approx(210 / 1.3), pytest.approx(210 / 0.9))


def test_no_profile_gives_missing_figures() -> None:
    assert np.isnan(headline(None).fps)
    assert np.isnan(median_summary([None]).parameters)


def spec(label: str, seed: int = 0, dataset: str = "phantom", size: str = "small") -> RunSpec:
    return RunSpec(
        model={"name": label.lower(), "size": size, "label": label, "build": {}},
        data={"dataset": dataset, "mark": "partial: few"},
        recipe={},
        seed=seed,
        protocol={"first_frame": "auto", "structures": "lv"},
    )


def test_a_suite_is_read_from_the_store_with_unfinished_runs_named(suite: ResultSet, tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    done, bad = store.open(spec("GDKVM")), store.open(spec("STM"))
    done.write_rows(suite.runs[0].rows)
    done.finish()
    bad.stop("failed", "out of memory")
    read = suite_results([done, bad], name="demo", dataset="Phantom")
    assert [run.label for run in read.runs] == ["GDKVM", "STM"]
    assert read.mark == "partial: few"
    assert read.runs[1].reason == "out of memory"
    assert row_of(main_table(read), "GDKVM").cell("dice").value == pytest.approx(dice_of(suite, "GDKVM").mean())


def test_sizes_that_share_a_label_are_told_apart_and_datasets_are_not_mixed(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    both = [store.open(spec("GDKVM", size=size)) for size in ("small", "paper")]
    assert [run.label for run in suite_results(both, name="s").runs] == ["GDKVM (size small)", "GDKVM (size paper)"]
    with pytest.raises(ConfigError, match="mixes the datasets"):
        suite_results([store.open(spec("A")), store.open(spec("A", dataset="camus"))], name="s")
    with pytest.raises(ConfigError, match="no runs"):
        suite_results([], name="s")
