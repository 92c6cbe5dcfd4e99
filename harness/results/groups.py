"""What else is known of the patients: a CSV file of one's own beside a report, by whose columns subgroups are made."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.errors import DataError

GROUPS = "groups.csv"
"""Name of the file in a report's folder: a column ``patient`` and any others."""
MOST_LEVELS = 6
"""A column of numbers with more different values than this is split at its median."""


def read_groups(path: Path) -> pd.DataFrame:
    """Groups per patient (index) from a CSV file, a grouping per column, as text; missing entries are NaN.

    Raises:
        DataError: the file cannot be read, has no column ``patient`` or no other, or a patient stands in it twice.
    """
    try:
        table = pd.read_csv(path, dtype={"patient": str})
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a table: {error}; write a CSV file with a column 'patient'."
        ) from error
    if "patient" not in table or table.shape[1] < 2:
        raise DataError(f"{path} needs a column 'patient' and at least one more; it has {', '.join(table.columns)}.")
    repeated = table.loc[table["patient"].duplicated(), "patient"]
    if len(repeated):
        raise DataError(f"{path} names the patient {repeated.iloc[0]} twice; write one line per patient.")
    return table.set_index("patient").apply(_levels)


def _levels(column: pd.Series) -> pd.Series:
    """The column as names of groups; numbers with many values by their median."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > MOST_LEVELS:
        median = float(column.median())
        names = column.ge(median).map({True: f"{median:g} and more", False: f"below {median:g}"})
        return names.where(column.notna())
    # 1.0 and 1 are one group: numbers are named as they are written shortest.
    return column.map(lambda value: f"{value:g}" if isinstance(value, float) else str(value), na_action="ignore")
