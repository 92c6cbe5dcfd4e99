"""What else is known of the patients: a CSV file of one's own beside a report, by whose columns subgroups are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from harness.errors import DataError
from harness.files import write_text

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
    except (OSError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path} cannot be read as a table: {error}; write a CSV file with a column 'patient'."
        ) from error
    if "patient" not in table or table.shape[1] < 2:
        raise DataError(f"{path} needs a column 'patient' and at least one more; it has {', '.join(table.columns)}.")
    repeated = table.loc[table["patient"].duplicated(), "patient"]
    if len(repeated):
        raise DataError(f"{path} names the patient {repeated.iloc[0]} twice; write one line per patient.")
    return table.set_index("patient").apply(_levels)


def patient_groups(described: Iterable[tuple[str, Mapping[str, str]]]) -> pd.DataFrame:
    """Groups per patient (index) from what a data set says of its clips, where patients differ in it and groups can be made.

    A patient whose clips differ in a column has no group in it. A column of words with more than ``MOST_LEVELS`` of them, such as
    remarks, and one that is the same for everybody make no groups.

    Args:
        described: patient and columns of every clip.
    """
    values: dict[str, dict[str, set[str]]] = {}
    for patient, columns in described:
        for name, text in columns.items():
            values.setdefault(name, {}).setdefault(patient, set()).add(text)
    alike = {
        name: {patient: next(iter(texts)) for patient, texts in patients.items() if len(texts) == 1}
        for name, patients in values.items()
    }
    kept = {name: pd.Series(column, dtype=str) for name, column in alike.items() if _makes_groups(column)}
    return pd.DataFrame(kept).rename_axis("patient").sort_index()


def _makes_groups(column: Mapping[str, str]) -> bool:
    levels = set(column.values())
    if len(levels) < 2:
        return False
    return len(levels) <= MOST_LEVELS or all(_is_number(text) for text in levels)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def keep_groups(groups: pd.DataFrame, folder: Path) -> Path | None:
    """Write groups beside a report; a file that is there, the user's own perhaps, is never replaced. None where nothing is written."""
    path = Path(folder) / GROUPS
    if groups.empty or path.is_file():
        return None
    write_text(path, groups.to_csv())
    return path


def _levels(column: pd.Series) -> pd.Series:
    """The column as names of groups; numbers with many values by their median."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > MOST_LEVELS:
        median = float(column.median())
        names = column.ge(median).map({True: f"{median:g} and more", False: f"below {median:g}"})
        return names.where(column.notna())
    # 1.0 and 1 are one group: numbers are named as they are written shortest.
    return column.map(lambda value: f"{value:g}" if isinstance(value, float) else str(value), na_action="ignore")
