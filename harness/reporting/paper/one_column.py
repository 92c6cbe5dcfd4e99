"""The main comparison for a column of a journal: four columns, a short caption, nothing that does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.reporting.render.latex import to_latex
from harness.reporting.tables.family_words import is_tested, only_trainings, untested_sentence, why_nothing_is_tested
from harness.reporting.tables.table import Cell, Row, Table
from harness.results.comparisons import Comparison, all_comparisons
from harness.results.result_set import ResultSet

COLUMNS = ("dice", "hd95_mm", "hd95_px", "ef_r", "fps")
"""Overlap, boundary, clinical read-out, speed."""


def one_column(main: Table, tests: Sequence[Comparison] = ()) -> Table:
    """The main table cut to ``COLUMNS`` (those that it has), named ``table_onecolumn``; its notes go, the mark stays.

    The intervals stay below the values. The full caption belongs to the full table, which the short one names; ``tests`` are those
    of these columns: who was not tested is named here too, or a missing dagger would read as "no difference".
    """
    columns = tuple(column for column in main.columns if column.key in COLUMNS)
    keys = {column.key for column in columns}
    spread = "mean [95 % interval]" + (" ± SD over trainings" if _several(main) else "")
    dagger = " † differs from the first model, corrected." if _daggers(main, keys) else ""
    untested = _untested(tests)
    return replace(
        main,
        name="table_onecolumn",
        columns=columns,
        rows=tuple(Row(label=row.label, group=row.group, cells={k: row.cell(k) for k in keys}) for row in main.rows),
        caption=f"{spread.capitalize()}; FPS: median.{dagger}{untested}",
        notes=(),
    )


def one_column_latex(main: Table, results: ResultSet) -> str:
    """A ``table`` of one column, to be read with ``\\input``."""
    tests = [one for (key, _), one in all_comparisons(results).items() if key in COLUMNS]
    return to_latex(one_column(main, tests), star=False)


def _untested(tests: Sequence[Comparison]) -> str:
    """Which models no test was made of, and why; empty where all were tested."""
    if not tests or all(is_tested(one) for one in tests):
        return ""
    if any(is_tested(one) for one in tests):
        return f" {untested_sentence(tests, intervals=False, lead='Not tested')}"
    return (
        " No daggers: trainings, not models, were compared."
        if only_trainings(tests)
        else f" No test: {why_nothing_is_tested(tests)}."
    )


def _cells(main: Table) -> list[tuple[str, Cell]]:
    return [(key, cell) for row in main.rows for key, cell in row.cells.items()]


def _several(main: Table) -> bool:
    return any(key in COLUMNS and cell.seed_sd == cell.seed_sd for key, cell in _cells(main))


def _daggers(main: Table, keys: set[str]) -> bool:
    return any(key in keys and cell.dagger for key, cell in _cells(main))
