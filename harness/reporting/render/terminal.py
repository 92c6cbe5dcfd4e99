"""A table on the terminal, with rich: columns that do not fit beside each other go below, nothing is cut off."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from harness.reporting.render.text import ARROWS, DAGGER, interval_text
from harness.reporting.tables.table import Cell, Column, Mark, Table
from harness.terminal import console as new_console

_STYLES = {"best": "bold", "second": "underline", "": ""}
_FRAME = 3
"""Characters a grid adds to each column: a rule and a space on both sides."""


def to_terminal(table: Table, width: int = 120) -> RenderableType:
    """A rich renderable: the table (in several parts where ``width`` is short), then caption and notes."""
    stub = _stub_width(table, width)
    parts = [_grid(table, columns, stub) for columns in _chunks(table, width - stub - _FRAME - 1)]
    head = [Text(table.title, style="bold"), *([Text(table.mark, style="bold yellow")] if table.mark else [])]
    notes = [Text(f"- {note}", style="dim") for note in table.notes]
    return Group(*head, *parts, Text(table.caption, style="dim"), *notes)


def print_table(table: Table, console: Console | None = None) -> None:
    """Show the table on the given console (standard output by default)."""
    console = console or new_console()
    console.print(to_terminal(table, console.width))


def terminal_cell(column: Column, cell: Cell, mark: Mark) -> Text:
    """One cell; an interval stands on a second line."""
    if column.text:
        return Text(cell.text or "--")
    text = Text(column.at_digits_of(cell).show(cell.value), style=_STYLES[mark])
    text.append(DAGGER if cell.dagger else "", style="not bold not underline")
    extra = interval_text(column, cell)
    return text.append(f"\n{extra}", style="dim not bold not underline") if extra else text


def _grid(table: Table, columns: Sequence[Column], stub: int) -> Grid:
    grid = Grid(header_style="bold")
    grid.add_column(table.stub, width=stub, overflow="fold")
    for column in columns:
        grid.add_column(Text(_head(column)), justify="left" if column.text else "right", no_wrap=True)
    marks, group = table.marks(), ""
    for index, row in enumerate(table.rows):
        if row.group != group:
            group = row.group
            grid.add_row(Text(group, style="italic"))
        cells = [terminal_cell(c, row.cell(c.key), marks.get((index, c.key), "")) for c in columns]
        grid.add_row(Text(row.label), *cells)
    return grid


def _head(column: Column) -> str:
    unit = f"\n[{column.unit}]" if column.unit else ""
    return column.header + ARROWS[column.direction] + unit


def _stub_width(table: Table, width: int) -> int:
    """Width of the label column: as long as its longest label, at most a third of the terminal (longer ones wrap)."""
    # Labels wrap and numbers never do: a number that is cut is another number.
    longest = max([len(table.stub), *(len(row.label) for row in table.rows), *(len(group) for group in table.groups)])
    return min(longest, max(width // 3, len(table.stub)))


def _chunks(table: Table, room: int) -> list[list[Column]]:
    """Columns in runs that fit into ``room`` characters; each run has at least one."""
    chunks: list[list[Column]] = [[]]
    used = 0
    for column in table.shown:
        needed = _width(table, column) + _FRAME
        if chunks[-1] and used + needed > room:
            chunks.append([])
            used = 0
        chunks[-1].append(column)
        used += needed
    return chunks


def _width(table: Table, column: Column) -> int:
    cells = [terminal_cell(column, row.cell(column.key), "").plain for row in table.rows]
    return max(len(line) for text in [_head(column), *cells] for line in text.split("\n"))
