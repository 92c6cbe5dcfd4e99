"""A table as data: ``NAME.table.json`` beside the rendered files, full precision, read back by whoever shows it again.

Markdown, CSV and LaTeX are output only; nothing reads them.
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.files import is_inside, read_json, write_text
from harness.reporting.render.latex import to_latex
from harness.reporting.render.text import to_csv, to_markdown
from harness.reporting.tables.table import Cell, Table
from harness.schema import parsed

SUFFIX = ".table.json"
SUFFIXES = (".md", ".csv", ".tex", SUFFIX)
"""Of the files that a table is written to."""


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write one table as data, Markdown, CSV and LaTeX, named after it; returns the paths, Markdown first."""
    texts = {".md": to_markdown(table), ".csv": to_csv(table), ".tex": to_latex(table), SUFFIX: to_json(table)}
    for suffix, text in texts.items():
        write_text(Path(folder) / f"{table.name}{suffix}", text)
    return [Path(folder) / f"{table.name}{suffix}" for suffix in texts]


def to_json(table: Table) -> str:
    """The whole table as JSON, one row a line; what has its default value is left out."""
    columns = [
        _sparse(column) | ({"source": asdict(column.source)} if column.source else {}) for column in table.columns
    ]
    rows = [
        {**_sparse(row), "cells": {key: _sparse(cell) for key, cell in row.cells.items() if cell != Cell()}}
        for row in table.rows
    ]
    content = {key: value for key, value in _sparse(table).items() if key not in ("columns", "rows")}
    # Without the closing brace, which follows the rows: one row a line keeps differences of committed tables
    # readable.
    head = json.dumps(content, indent=1, ensure_ascii=False)[:-2]
    return f'{head},\n "columns": {_lines(columns)},\n "rows": {_lines(rows)}\n}}\n'


def _lines(items: list[dict[str, Any]]) -> str:
    """A list with an item a line: a change of one model is a change of its line."""
    return "[\n" + ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in items) + "\n ]"


def read_table(path: Path) -> Table:
    """Read what ``write_table`` wrote.

    Raises:
        DataError: the file is no table.
    """
    table = parsed(Table, read_json(path), f"{path} is no stored table", "make its report again")
    # A file's name and a number's width are made of these.
    if not is_inside(table.name) or any(not 0 <= column.digits <= 20 for column in table.columns):
        raise DataError(
            f"{path} is no stored table: its name or the digits of a column cannot be; make its report again."
        )
    return table


def _sparse(item: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their default; NaN is a default of numbers and no JSON."""
    values = {one.name: (getattr(item, one.name), one.default) for one in fields(item)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, (value, default) in values.items()
        if default is MISSING or not (value == default or (isinstance(value, float) and math.isnan(value)))
    }
