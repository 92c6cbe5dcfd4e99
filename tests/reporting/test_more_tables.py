"""Tables beside the main one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.reporting.render.text import to_markdown
from harness.reporting.report import suite_tables
from harness.reporting.tables.cost import cost_table
from harness.reporting.tables.ejection_fraction import ef_table
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.paired_comparisons import comparison_table
from harness.reporting.tables.parts import part_tables
from harness.reporting.tables.power import power_notes, power_table
from harness.reporting.tables.published_figures import published_files, read_published
from harness.reporting.tables.table import Row, Table
from harness.results.power import power_of
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.statistics.margins import Criteria

Maker = Callable[..., ResultSet]


def find(table: Table, label: str, group: str = "") -> Row:
    return next(row for row in table.rows if row.label == label and row.group == group)


def test_parts_are_means_over_their_own_rows(suite: ResultSet) -> None:
    (table,) = part_tables(suite)
    rows = suite.runs[0].rows
    own = rows[(rows.metric == "dice") & (rows.phase == "ES")]
    assert find(table, "GDKVM", "ES").cell("dice").value == pytest.approx(100 * own["value"].mean())
    assert table.groups == ["all views and phases", "2CH", "4CH", "ED", "ES"]


def test_every_structure_has_a_table_of_its_own(make_suite: Maker) -> None:
    tables = part_tables(make_suite(patients=12, structures=("lv", "myo", "la"), models=("GDKVM",)))
    assert [table.name for table in tables] == ["parts_lv", "parts_myo", "parts_la"]
    values = [table.rows[0].cell("dice").value for table in tables]
    assert values[0] > values[1] > values[2]


def test_the_ef_table_has_both_truths_and_the_definition_of_the_limits(suite: ResultSet) -> None:
    table = ef_table(suite)
    assert table is not None
    row = find(table, "STM", "against the reference masks")
    values = {key: cell.value for key, cell in row.cells.items()}
    assert values["upper_limit"] == pytest.approx(values["bias"] + 1.96 * values["sd"])
    stated = find(table, "STM", "against the stated EF")
    assert stated.cell("bias").value == pytest.approx(values["bias"] - 1)


def test_the_words_of_a_suites_tables(make_suite: Maker, same_words: Callable[..., None]) -> None:
    several = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net"), mark="partial: 4CH only")
    plan = power_of(several)
    own = [table for table in suite_tables(several) if not table.published]
    same_words("suite", *own, power_table(several, plan), leading_published())


def test_the_words_of_single_trainings(make_suite: Maker, same_words: Callable[..., None]) -> None:
    bare = make_suite(patients=12, models=("GDKVM", "U-Net"), unit="px")
    failed = RunResults(label="Broken", model="broken", status="failed", reason="the loss became NaN")
    suite = with_busy(replace(bare, runs=(*bare.runs, failed)), "U-Net")
    plan = power_of(bare, training_sd=0.2)
    few = main_table(make_suite(patients=6, models=("GDKVM", "U-Net")))
    names = ("table", "comparisons", "ranks", "cost")
    chosen = [table for table in suite_tables(suite) if table.name in names]
    same_words("single_trainings", *chosen, power_table(bare, plan), few)


def leading_published() -> Table:
    """The head of a published table: its rows are others' figures."""
    table = read_published(published_files()[0])
    return replace(table, rows=table.rows[:2])


def test_costs_name_their_condition(suite: ResultSet) -> None:
    table = cost_table(suite)
    assert table is not None
    assert "cpu, fp32, eager engine, threads 2" in table.caption
    row = table.rows[0]
    assert row.cell("fps").value == 37
    assert row.cell("gmacs_per_frame_torch").value == pytest.approx(20.02)
    assert row.cell("gmacs_per_frame_fvcore").value == pytest.approx(1.01 * 20.02)
    assert [column.title for column in table.columns if "GMACs" in column.header] == ["GMACs [fvcore]", "GMACs [torch]"]


@pytest.mark.parametrize("make_table", [main_table, cost_table])
def test_times_measured_beside_other_work_are_shown_and_never_ranked(
    suite: ResultSet, make_table: Callable[[ResultSet], Table]
) -> None:
    quiet = make_table(suite)
    assert quiet is not None
    timed = [column.key for column in quiet.columns if column.timed]
    assert timed == [key for key in ("fps", "median_ms") if key in [column.key for column in quiet.columns]]

    def fastest(table: Table, mark: str) -> set[str]:
        return {
            table.rows[index].label for (index, key), given in table.marks().items() if key in timed and given == mark
        }

    assert (fastest(quiet, "best"), fastest(quiet, "second")) == ({"U-Net"}, {"TransUNet"})
    assert not any("beside other work" in note for note in quiet.notes)
    noisy = make_table(with_busy(suite, "U-Net"))
    assert noisy is not None
    assert (fastest(noisy, "best"), fastest(noisy, "second")) == ({"TransUNet"}, set())  # XMem and GDKVM overlap
    assert find(noisy, "U-Net").cell("fps").value == 210
    assert sum("not ranked: U-Net; " in note for note in noisy.notes) == 1
    sizes = {key: mark for (_, key), mark in quiet.marks().items() if key not in timed}
    assert sizes == {key: mark for (_, key), mark in noisy.marks().items() if key not in timed}
    labels = [run.label for run in suite.runs]
    nobody = make_table(with_busy(suite, *labels))
    assert nobody is not None
    assert not [key for _, key in nobody.marks() if key in timed]


def test_a_quiet_seed_stands_for_one_beside_other_work(make_suite: Maker) -> None:
    suite = make_suite(patients=3, seeds=2, models=("GDKVM", "U-Net"))
    first, *others = suite.runs
    mixed = replace(suite, runs=(replace(first, profile=busy_profile(first, fps=1.0)), *others))
    assert mixed.arms[0].cost.fps == 37
    assert not mixed.arms[0].cost.busy


def busy_profile(run: RunResults, **figures: float) -> pd.DataFrame:
    assert run.profile is not None
    table = run.profile.assign(busy=run.profile["fps"].notna())
    timed = table["busy"]
    for name, value in figures.items():
        table.loc[timed, name] = value
    return table


def with_busy(suite: ResultSet, *labels: str) -> ResultSet:
    runs = [replace(run, profile=busy_profile(run)) if run.label in labels else run for run in suite.runs]
    return replace(suite, runs=tuple(runs))


def test_comparisons_repeat_the_paired_statistics(make_suite: Maker) -> None:
    suite = make_suite(patients=14, seeds=3)
    table = comparison_table(suite)
    assert table is not None
    values: dict[str, dict[int, pd.Series]] = {}
    for run in suite.runs:
        dice = 100 * run.rows[run.rows.metric == "dice"].groupby("patient")["value"].mean()
        values.setdefault(run.label, {})[run.seed] = dice
    assert {row.group for row in table.rows} == {"Dice [%]", "IoU [%]", "HD95 [mm]", "ASD [mm]", "EF MAE [points]"}
    for label in ("U-Net", "TransUNet", "STM", "XMem"):
        row = find(table, label, "Dice [%]")
        paired = pd.DataFrame(values["GDKVM"]).mean(axis=1) - pd.DataFrame(values[label]).mean(axis=1)
        assert row.cell("difference").value == pytest.approx(paired.mean())
        assert row.cell("median").value == pytest.approx(paired.median())
        assert row.cell("p_adjusted").value == pytest.approx(min(4 * row.cell("p").value, 1))
        assert row.cell("level").value == pytest.approx(1 - 0.05 / 4)
        assert row.cell("trainings").text == "3 v 3"


def test_the_suites_own_endpoint_and_margins_decide_and_stand_in_the_table(make_suite: Maker) -> None:
    suite = make_suite(patients=12, seeds=3)
    own = {"endpoint": "iou", "margins": {"dice": {"value": 30.0, "source": "our two readers"}}}
    table = comparison_table(replace(suite, criteria=Criteria.read(own)))
    usual = comparison_table(suite)
    assert table is not None
    assert usual is not None
    assert "Primary endpoint: IoU." in table.caption
    assert "Primary endpoint: Dice." in usual.caption
    assert "Margin of Dice: our two readers." in table.notes
    levels = {row.group: row.cell("level").value for row in table.rows}
    assert levels["IoU [%]"] == pytest.approx(1 - 0.05 / 4)  # four baselines, Bonferroni
    assert levels["Dice [%]"] != pytest.approx(1 - 0.05 / 4)
    assert find(table, "STM", "Dice [%]").cell("margin").value == 30
    assert find(table, "STM", "Dice [%]").cell("verdict").text in ("equivalent", "undecided")
    assert find(usual, "STM", "Dice [%]").cell("margin").value == 0.5


def test_every_dagger_of_the_main_table_has_its_row_and_an_interval_without_zero(make_suite: Maker) -> None:
    suite = make_suite(patients=14, seeds=3)
    main, table = main_table(suite), comparison_table(suite)
    assert table is not None
    titles = {column.key: column.title for column in main.columns}
    marked = {(row.label, titles[key]) for row in main.rows for key, cell in row.cells.items() if cell.dagger}
    cells = {(row.label, row.group): row.cell("difference") for row in table.rows}
    assert marked
    assert marked == {key for key, cell in cells.items() if cell.dagger}
    for cell in cells.values():
        assert cell.dagger == (cell.low > 0 or cell.high < 0)


def test_one_training_each_has_no_dagger_and_says_so(suite: ResultSet) -> None:
    main, table = main_table(suite), comparison_table(suite)
    assert table is not None
    assert not any(cell.dagger for row in (*main.rows, *table.rows) for cell in row.cells.values())
    assert "No daggers: trainings, not models, were compared" in main.caption
    assert "Trainings, not models, were compared" in table.caption
    assert {row.cell("verdict").text for row in table.rows} == {"not compared"}
    assert not {"p", "p_adjusted", "p_better"} & {column.key for column in table.columns}


def test_a_model_that_gives_no_ef_does_not_gain_by_it(suite: ResultSet) -> None:
    worse = []
    for run in suite.runs:
        rows = run.rows.copy()
        if run.label == "STM":
            silent = (rows["metric"] == "ef_biplane_predicted") & (rows["patient"] <= "patient0005")
            rows.loc[silent, "value"] = np.nan
        worse.append(replace(run, rows=rows))
    before, after = (main_table(results) for results in (suite, replace(suite, runs=tuple(worse))))
    assert find(after, "STM").cell("ef_mae").value > find(before, "STM").cell("ef_mae").value + 5
    assert any("STM: 5 EF could not be computed" in note for note in after.notes)
    assert not any("could not be computed" in note for note in before.notes)


def test_failures_stand_with_exact_limits(suite: ResultSet) -> None:
    cell = find(main_table(suite), "STM").cell("failures")
    assert (cell.value, cell.low) == (0, 0)
    assert cell.high == pytest.approx(100 * (1 - 0.025 ** (1 / 20)))


def test_a_training_that_failed_altogether_is_named(make_suite: Maker) -> None:
    suite = make_suite(patients=14, seeds=3, models=("GDKVM", "U-Net"))
    runs = tuple(
        replace(run, rows=run.rows.assign(value=run.rows["value"].where(run.rows["metric"] != "dice", 0.0)))
        if (run.label, run.seed) == ("U-Net", 1)
        else run
        for run in suite.runs
    )
    table = main_table(replace(suite, runs=runs))
    assert find(table, "U-Net").cell("failures").value == 0
    assert any("U-Net: 1 of 3 trainings failed in most patients (seed 1)" in note for note in table.notes)
    assert not any("failed in most" in note for note in main_table(suite).notes)


def test_models_that_have_not_learned_get_no_verdict(make_suite: Maker) -> None:
    suite = make_suite(patients=14, seeds=3)
    runs = [
        replace(run, rows=run.rows.assign(value=run.rows["value"].where(run.rows["metric"] != "dice", 0.0)))
        for run in suite.runs
    ]
    table = comparison_table(replace(suite, runs=tuple(runs)))
    assert table is not None
    assert {row.cell("verdict").text for row in table.rows} == {"not learned"}
    assert not any(row.cell("difference").dagger for row in table.rows)


def test_tiny_probabilities_are_not_shown_as_zero(make_suite: Maker) -> None:
    # 20 patients: the smallest p of their signs alone is 2 / 2^20
    table = comparison_table(make_suite(patients=20, seeds=3))
    assert table is not None
    assert "0.0000 " not in to_markdown(table)
    assert "<0.0001" in to_markdown(table)


def test_a_suite_without_reference_or_profile_leaves_its_tables_out(make_suite: Maker) -> None:
    suite = make_suite(patients=12, models=("U-Net", "STM"))
    assert comparison_table(suite) is None


@pytest.mark.parametrize("path", published_files(), ids=lambda path: path.stem)
def test_published_figures_stay_as_printed_and_are_never_ranked(path: Path) -> None:
    table = read_published(path)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(table.rows) == len(lines) - 1
    assert table.marks() == {}
    assert "Source" in table.caption
    assert "not measured here" in table.title
    shown = [cell.text for row in table.rows for cell in row.cells.values()]
    assert all(text in lines[1 + index // max(len(table.columns), 1)] for index, text in enumerate(shown))
    assert not any(np.isfinite(cell.value) for row in table.rows for cell in row.cells.values())


@pytest.mark.parametrize(("trainings", "finite"), [(2, False), (3, True)])
def test_a_design_of_two_trainings_is_promised_nothing(make_suite: Maker, trainings: int, finite: bool) -> None:
    plan = power_of(make_suite(patients=12, seeds=trainings, models=("GDKVM", "U-Net")))
    assert np.isfinite(plan.present) == finite
    told = " ".join(power_notes(plan))
    assert ("12 patients, 2 trainings of a model) compares trainings, not models" in told) != finite
