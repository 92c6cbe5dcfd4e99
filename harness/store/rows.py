"""Per-case rows: the columns of ``cases.csv``, their writer and their reader."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

ROW_COLUMNS = (
    "run", "model", "seed", "dataset", "split", "patient", "view", "frame", "phase", "structure", "metric", "value",
)  # fmt: skip
"""Columns of ``cases.csv``. ``frame`` is -1 and ``phase`` empty for values of a whole view or patient (EF)."""


def rows_text(rows: pd.DataFrame) -> str:
    """Rows as CSV in the order of ``ROW_COLUMNS``, with full float precision; a missing value is an empty field.

    Raises:
        ValueError: a column is missing or unknown.

    Example:
        >>> values = dict.fromkeys(ROW_COLUMNS, "x") | {"seed": 0, "frame": 3, "value": 0.1}
        >>> rows_text(pd.DataFrame([values])).splitlines()[1]
        'x,x,0,x,x,x,x,3,x,x,x,0.1'
    """
    if set(rows.columns) != set(ROW_COLUMNS):
        raise ValueError(f"rows must have the columns {ROW_COLUMNS}, got {tuple(rows.columns)}")
    return str(rows.loc[:, list(ROW_COLUMNS)].to_csv(index=False))


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table of per-case rows: identifiers as text, ``frame`` and ``seed`` as integers, ``value`` as float."""
    text = dict.fromkeys(("run", "model", "dataset", "split", "patient", "view", "phase", "structure", "metric"), str)
    table = pd.read_csv(
        path,
        dtype={**text, "seed": int, "frame": int, "value": float},
        # A patient called "NA" is a name; only an empty value is missing.
        keep_default_na=False,
        na_values={"value": [""]},
    )
    return table
