"""The way back from Markdown to a table, for tables that another room has written to disk.

Reads what ``render_text.to_markdown`` writes: title, mark, pipe table, caption, notes. Values come back at the printed
precision, so that the table renders to the same Markdown again; columns left out of the Markdown (CSV only) stay out.
"""

from __future__ import annotations

import math
import re

from harness.errors import DataError
from harness.reporting.render.text import ARROWS, DAGGER
from harness.reporting.tables.table import MISSING, Cell, Column, Direction, Row, Table

_ESCAPED = re.compile(r"\\(.)")
_NUMBER = re.compile(
    r"(?:\*\*|<u>)?(?P<below><)?(?P<value>-?\d+(?:\.\d+)?|--)(?:\*\*|</u>)?(?P<dagger>" + DAGGER + r")?"
    r"(?: \[(?P<low>-?[\d.]+), (?P<high>-?[\d.]+)\])?(?: \(± (?P<seed_sd>[\d.]+)\))?"
)


def read_markdown(text: str, name: str) -> Table:
    """Read one table; ``name`` becomes its file stem and label.

    Raises:
        DataError: the text holds no title or no table, or a row has too many or too few cells.
    """
    lines = text.splitlines()
    title = next((line[4:] for line in lines if line.startswith("### ")), None)
    body = [_cells(line) for line in lines if line.startswith("|")]
    if title is None or len(body) < 2:
        raise DataError(f"The file {name}.md holds no table with a title; write it again with its own command.")
    heads, rules, rows = body[0], body[1], body[2:]
    if any(len(row) != len(heads) for row in [rules, *rows]):
        raise DataError(f"The table {name}.md has rows with more or fewer cells than its header.")
    first, last = (place(i for i, line in enumerate(lines) if line.startswith("|")) for place in (min, max))
    columns = [_column(k, heads[k], rules[k], [row[k] for row in rows]) for k in range(1, len(heads))]
    after = [line for line in lines[last + 1 :] if line]
    return Table(
        name=name,
        title=_plain(title),
        caption=" ".join(_plain(line) for line in after if not line.startswith("- ")),
        columns=tuple(columns),
        rows=tuple(_rows(rows, columns)),
        notes=tuple(_plain(line[2:]) for line in after if line.startswith("- ")),
        mark=next((_plain(line[2:-2]) for line in lines[:first] if line.startswith("**")), None),
        stub=_plain(heads[0]),
        ranked=any(cell.startswith(("**", "<u>")) for row in rows for cell in row),
    )


def _cells(line: str) -> list[str]:
    """The cells of a pipe-table line, still escaped: an escaped pipe does not divide."""
    return [cell.strip() for cell in re.findall(r"((?:\\.|[^\\|])*)\|", line[1:])]


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _column(index: int, head: str, rule: str, cells: list[str]) -> Column:
    title = _plain(head)
    arrow: Direction = "none"
    for direction, sign in (("up", ARROWS["up"]), ("down", ARROWS["down"])):
        if title.endswith(sign):
            title, arrow = title.removesuffix(sign), "up" if direction == "up" else "down"
    header, unit = re.fullmatch(r"(.*?)(?: \[(.*)\])?", title, re.DOTALL).groups()  # type: ignore[union-attr]
    numbers = [found for cell in cells if (found := _NUMBER.fullmatch(_plain(cell)))]
    digits = max((len(n["value"].partition(".")[2]) for n in numbers), default=0)
    return Column(
        key=f"column{index}",
        header=header,
        unit=unit or "",
        direction=arrow,
        digits=digits,
        text=rule != "--:",
        probability=any(n["below"] for n in numbers),
    )


def _rows(rows: list[list[str]], columns: list[Column]) -> list[Row]:
    found: list[Row] = []
    group = ""
    for label, *cells in rows:
        if re.fullmatch(r"\*[^*].*\*", label) and not any(cells):
            group = _plain(label[1:-1])
            continue
        pairs = zip(columns, cells, strict=True)
        found.append(Row(label=_plain(label), cells={c.key: _cell(c, cell) for c, cell in pairs}, group=group))
    return found


def _cell(column: Column, text: str) -> Cell:
    if column.text:
        return Cell(text="" if text == MISSING else _plain(text))
    found = _NUMBER.fullmatch(_plain(text))
    if found is None:
        raise DataError(f"'{text}' in the column {column.header} of a table is no number; write the table again.")
    low, high, seed_sd = (float(found[name]) if found[name] else math.nan for name in ("low", "high", "seed_sd"))
    value = math.nan if found["value"] == MISSING else 0.0 if found["below"] else float(found["value"])
    return Cell(value=value, low=low, high=high, seed_sd=seed_sd, dagger=bool(found["dagger"]))
