"""CSV files that people open in a spreadsheet: names that come from data stay names there, and never become formulas."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_numeric_dtype

from harness.errors import in_one_line


def inert(text: str) -> str:
    """Text that a spreadsheet shows: one that begins like a formula gets an apostrophe before it (OWASP, CSV injection).

    >>> inert("=HYPERLINK(1)"), inert("-3.5"), inert("U-Net")
    ("'=HYPERLINK(1)", '-3.5', 'U-Net')
    """
    # A line break inside a cell is a row to whoever reads carelessly; blanks before a formula are skipped by some programs.
    text = in_one_line(text)
    if not text.lstrip().startswith(("=", "+", "-", "@")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def to_csv(table: pd.DataFrame) -> str:
    r"""The CSV of a table for people, with inert texts; not for files that are read back, whose names must stay as they are.

    >>> to_csv(pd.DataFrame({"clip": ["=A1", "loop.avi"], "ef": [-1.5, None]}))
    "clip,ef\n'=A1,-1.5\nloop.avi,\n"
    """
    shown = table.rename(columns=inert)
    for name in (name for name in shown.columns if not is_numeric_dtype(shown[name])):
        cells = [inert(cell) if isinstance(cell, str) else cell for cell in shown[name]]
        # As objects again: whole numbers beside an empty cell would else become floats.
        shown[name] = pd.Series(cells, index=shown.index, dtype=object)
    return str(shown.to_csv(index=False))
