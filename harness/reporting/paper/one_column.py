"""The main comparison for a column of a journal: four columns, a short caption, nothing that does not fit."""

from __future__ import annotations

from dataclasses import replace

from harness.reporting.render.latex import to_latex
from harness.reporting.tables.table import Cell, Row, Table

COLUMNS = ("dice", "hd95_mm", "hd95_px", "ef_r", "fps")
"""Overlap, boundary, clinical read-out, speed."""


def one_column(main: Table) -> Table:
    """The main table cut to ``COLUMNS`` (those that it has), named ``table_onecolumn``; its notes go, the mark stays.

    The intervals stay below the values. The full caption belongs to the full table, which the short one names.
    """
    columns = tuple(column for column in main.columns if column.key in COLUMNS)
    keys = {column.key for column in columns}
    spread = "mean [95 % interval]" + (" ± SD over trainings" if _several(main) else "")
    dagger = " † differs from the first model, corrected." if _daggers(main, keys) else ""
    return replace(
        main,
        name="table_onecolumn",
        columns=columns,
        rows=tuple(Row(label=row.label, group=row.group, cells={k: row.cell(k) for k in keys}) for row in main.rows),
        caption=f"{spread.capitalize()}; FPS: median.{dagger}",
        notes=(),
    )


def one_column_latex(main: Table) -> str:
    """A ``table`` of one column, to be read with ``\\input``."""
    return to_latex(one_column(main), star=False)


def _cells(main: Table) -> list[tuple[str, Cell]]:
    return [(key, cell) for row in main.rows for key, cell in row.cells.items()]


def _several(main: Table) -> bool:
    return any(key in COLUMNS and cell.seed_sd == cell.seed_sd for key, cell in _cells(main))


def _daggers(main: Table, keys: set[str]) -> bool:
    return any(key in keys and cell.dagger for key, cell in _cells(main))
