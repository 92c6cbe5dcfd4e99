"""The paragraphs, the narrow table and the references that a paper takes from a report."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.reporting.paper.bibliography import METHODS, bibliography, cite, entries
from harness.reporting.paper.one_column import COLUMNS, one_column, one_column_latex
from harness.reporting.paper.paragraphs import methods_paragraph, results_paragraph
from harness.reporting.tables.main_comparison import main_table
from harness.results.comparisons import all_comparisons
from harness.results.result_set import ResultSet


@pytest.fixture
def suite(make_suite: Callable[..., ResultSet]) -> ResultSet:
    return make_suite(patients=12, models=("GDKVM", "U-Net", "STM"))


def test_the_narrow_table_shows_cells_of_the_full_one(suite: ResultSet) -> None:
    main = main_table(suite)
    narrow = one_column(main, list(all_comparisons(suite).values()))
    assert [column.key for column in narrow.columns] == [key for key in COLUMNS if key in {c.key for c in main.columns}]  # fmt: skip
    for row, full in zip(narrow.rows, main.rows, strict=True):
        assert row.label == full.label
        assert all(row.cell(column.key) == full.cell(column.key) for column in narrow.columns)
    text = one_column_latex(main, suite)
    assert r"\begin{table}[t]" in text
    assert narrow.caption.endswith("No daggers: trainings, not models, were compared.")
    assert "No daggers: trainings, not models" in text
    assert len(narrow.caption) < 120


def test_the_narrow_caption_names_who_was_not_tested_and_why(make_suite: Callable[..., ResultSet]) -> None:
    whole = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net", "STM"))
    once = replace(whole, runs=tuple(run for run in whole.runs if run.label != "STM" or run.seed == 0))
    text = one_column_latex(main_table(once), once)
    assert "Not tested: STM (fewer than 3 trainings of it or of GDKVM)." in text
    assert "Not tested" not in one_column_latex(main_table(whole), whole)
    failed = replace(
        whole,
        runs=tuple(
            replace(run, rows=run.rows.assign(value=run.rows["value"].where(run.rows["metric"] != "dice", 0.0)))
            if run.label == "GDKVM"
            else run
            for run in whole.runs
        ),
    )
    assert "No test: a model or GDKVM has not learned the task" in one_column_latex(main_table(failed), failed)


def test_the_results_are_the_table_s_numbers(suite: ResultSet) -> None:
    main = main_table(suite)
    text = results_paragraph(suite, main)
    dice = main.column("dice")
    for row in main.rows:
        assert dice.show(row.cell("dice").value) in text
        assert row.label.replace("-", "{-}") in text


def test_the_methods_say_what_the_runs_recorded_and_nothing_else(suite: ResultSet) -> None:
    recipe = {"clip_length": 6, "batch_size": 3, "iterations": 1234, "image_size": 96}
    runs = tuple(
        replace(run, record={**run.record, "spec": {**run.spec, "recipe": recipe}, "code": {"commit": "0123456789abc"}})
        for run in suite.runs
    )
    text = methods_paragraph(replace(suite, runs=runs))
    assert "1234 iterations on batches of 3 clips of 6 frames" in text
    assert "0123456789" in text
    assert "12 test patients" in text
    other = replace(runs[0], record={**runs[0].record, "spec": {**runs[0].spec, "recipe": {**recipe, "iterations": 5}}})
    assert "iterations" not in methods_paragraph(replace(suite, runs=(other, *runs[1:])))


def test_every_citation_has_its_entry_and_no_entry_is_there_for_show(suite: ResultSet) -> None:
    methods = methods_paragraph(suite)
    cited = {key for group in re.findall(r"\\cite\{(.*?)\}", methods) for key in group.split(",")}
    assert cited == set(re.findall(r"@\w+\{(\w+),", bibliography(methods)))
    assert cited <= set(entries())
    assert METHODS - cited == {"smyth2004"}  # one training each: nothing was moderated
    assert cite([None, "stm", "stm"]) == r"~\cite{stm}"
