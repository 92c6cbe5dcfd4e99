"""Tables beside the main one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.reporting.render.text import to_markdown
from harness.reporting.tables.cost import cost_table
from harness.reporting.tables.ejection_fraction import ef_table
from harness.reporting.tables.paired_comparisons import comparison_table
from harness.reporting.tables.parts import part_tables
from harness.reporting.tables.published_figures import published_files, read_published
from harness.reporting.tables.table import Row, Table
from harness.results.measures import DICE
from harness.results.result_set import ResultSet
from harness.statistics.paired import compare

Maker = Callable[..., ResultSet]


def find(table: Table, label: str, group: str) -> Row:
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


def test_costs_name_their_condition(suite: ResultSet) -> None:
    table = cost_table(suite)
    assert table is not None
    assert "cpu, fp32, threads 2" in table.caption
    row = table.rows[0]
    assert row.cell("fps").value == 37
    assert row.cell("gmacs_per_frame_torch").value == pytest.approx(20.02)
    assert row.cell("gmacs_per_frame_fvcore").value == pytest.approx(1.01 * 20.02)
    assert [column.title for column in table.columns if "GMACs" in column.header] == ["GMACs [fvcore]", "GMACs [torch]"]


def test_comparisons_repeat_the_paired_statistics(suite: ResultSet) -> None:
    table = comparison_table(suite)
    assert table is not None
    dice = {
        run.label: 100 * run.rows[run.rows.metric == "dice"].groupby("patient")["value"].mean() for run in suite.runs
    }
    ours = dice.pop("GDKVM")
    expected = compare("GDKVM", dice, ours, margin=DICE.margin)
    for one in expected:
        row = find(table, one.other, "Dice [%]")
        assert row.cell("shift").value == pytest.approx(one.shift)
        assert row.cell("p_adjusted").value == pytest.approx(one.p_adjusted)
        assert row.cell("verdict").text == one.verdict


def test_tiny_probabilities_are_not_shown_as_zero(suite: ResultSet) -> None:
    table = comparison_table(suite)
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
