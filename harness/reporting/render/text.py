"""A table as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
import math

from harness.reporting.tables.table import Cell, Column, Mark, Table
from harness.spreadsheets import inert

ARROWS = {"up": " ↑", "down": " ↓", "none": ""}
DAGGER = "†"
_SPECIAL = str.maketrans({c: "\\" + c for c in "\\`*_{}[]<>|~#"} | {"\n": " "})


def to_csv(table: Table) -> str:
    """Full-precision CSV: per numeric column the value, and where any row has one the interval, seed SD and dagger.

    A missing value is an empty field. Lines end with a newline; text is quoted where CSV needs it.
    """
    stream = io.StringIO()
    # One line ending on every system, or committed tables would change with the machine.
    writer = csv.writer(stream, lineterminator="\n")
    grouped = any(row.group for row in table.rows)
    writer.writerow(
        [*(["group"] if grouped else []), table.stub.lower(), *(h for c in table.columns for h in _heads(table, c))]
    )
    for row in table.rows:
        cells = [f for column in table.columns for f in _fields(table, column, row.cell(column.key))]
        writer.writerow([*([inert(row.group)] if grouped else []), inert(row.label), *cells])
    return stream.getvalue()


def _parts(table: Table, column: Column) -> list[str]:
    cells = [row.cell(column.key) for row in table.rows]
    interval = ["low", "high"] if any(cell.has_interval for cell in cells) else []
    seeds = ["seed_sd"] if any(math.isfinite(cell.seed_sd) for cell in cells) else []
    dagger = ["significant"] if any(cell.dagger for cell in cells) else []
    return interval + seeds + dagger


def _heads(table: Table, column: Column) -> list[str]:
    return [column.key, *(f"{column.key}_{part}" for part in ([] if column.text else _parts(table, column)))]


def _fields(table: Table, column: Column, cell: Cell) -> list[str]:
    if column.text:
        return [inert(cell.text)]
    values = {"low": cell.low, "high": cell.high, "seed_sd": cell.seed_sd}
    parts = [
        str(cell.dagger).lower() if part == "significant" else _number(values[part]) for part in _parts(table, column)
    ]
    return [_number(cell.value), *parts]


def _number(value: float) -> str:
    # The shortest text that reads back to the same float: tables are compared cell by cell.
    return repr(float(value)) if math.isfinite(value) else ""


def to_markdown(table: Table) -> str:
    """GitHub-flavoured Markdown: title, table, caption and notes; best bold, second underlined."""
    columns = table.shown
    heads = [table.stub, *(column.title + ARROWS[column.direction] for column in columns)]
    lines = [f"### {escape_markdown(table.title)}", ""]
    if table.mark:
        lines += [f"**{escape_markdown(table.mark)}**", ""]
    lines += [_line([escape_markdown(head) for head in heads]), _line([":--", *(_rule(c) for c in columns)])]
    marks, group = table.marks(), ""
    for index, row in enumerate(table.rows):
        if row.group != group:
            group = row.group
            lines.append(_line([f"*{escape_markdown(group)}*", *("" for _ in columns)]))
        cells = [markdown_cell(column, row.cell(column.key), marks.get((index, column.key), "")) for column in columns]
        lines.append(_line([escape_markdown(row.label), *cells]))
    lines += ["", escape_markdown(table.caption), ""]
    lines += [f"- {escape_markdown(note)}" for note in table.notes]
    return "\n".join(lines).rstrip() + "\n"


def markdown_cell(column: Column, cell: Cell, mark: Mark) -> str:
    """One cell: value (bold or underlined), dagger, interval and spread over seeds."""
    if column.text:
        return escape_markdown(cell.text) if cell.text else "--"
    shown = column.at_digits_of(cell).show(cell.value)
    shown = {"best": f"**{shown}**", "second": f"<u>{shown}</u>", "": shown}[mark]
    return shown + (DAGGER if cell.dagger else "") + interval_text(column, cell, " ")


def interval_text(column: Column, cell: Cell, lead: str = "") -> str:
    """``[low, high]`` at the column's precision and ``(± sd)`` over seeds where known, else nothing.

    Beside a dagger limits have as many digits as it takes (``Column.at_digits_of``).
    """
    column = column.at_digits_of(cell)
    text = f"{lead}[{column.show(cell.low)}, {column.show(cell.high)}]" if cell.has_interval else ""
    return text + (f" (± {column.show(cell.seed_sd)})" if math.isfinite(cell.seed_sd) else "")


def escape_markdown(text: str) -> str:
    """Text in which no character means markup."""
    return text.translate(_SPECIAL)


def _rule(column: Column) -> str:
    return ":--" if column.text else "--:"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
