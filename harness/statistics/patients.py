"""From per-case rows to one value per patient, the unit of every statistic.

A patient's value is the mean over that patient's views of the mean over the phases and frames of each view, so that a view
with more frames weighs no more than the other. Undefined cases (NaN, both masks empty) are left out of every mean.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from harness.errors import BenchError

_EF_PREFERENCE = ("biplane", "biplane_camus", "single_4ch", "area_length_4ch", "single_2ch", "area_length_2ch")


def select(
    rows: pd.DataFrame,
    metric: str,
    *,
    structure: str | None = None,
    view: str | None = None,
    phase: str | None = None,
) -> pd.DataFrame:
    """Rows of one metric, optionally of one structure, view or phase."""
    wanted = {"metric": metric, "structure": structure, "view": view, "phase": phase}
    keep = pd.Series(True, index=rows.index)
    for column, value in wanted.items():
        if value is not None:
            keep &= rows[column] == value
    return rows[keep]


def patient_means(
    rows: pd.DataFrame,
    metric: str,
    *,
    structure: str | None = None,
    view: str | None = None,
    phase: str | None = None,
) -> pd.Series:
    """One value per patient (index: patient, sorted) from rows with the columns ``ROW_COLUMNS`` of one run.

    Mean over frames, then over views. A patient without any defined value is NaN and stays in the index; a metric
    that does not occur gives an empty series.
    """
    chosen = select(rows, metric, structure=structure, view=view, phase=phase)
    return averaged(chosen, ["patient"])


def averaged(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Mean over frames, then over views, for every combination of ``keys``; their columns may be words or categories."""
    # View by view: a sequence with more labelled frames in 2CH must not weigh more than the 4CH one.
    by_view = rows.groupby([*keys, "view"], sort=True, observed=True)["value"].mean()
    means: pd.Series = by_view.groupby(level=keys, sort=True, observed=True).mean()
    if isinstance(means.index, pd.CategoricalIndex):
        # Values of several runs are joined by the words, whatever categories a run has.
        means.index = means.index.categories.take(means.index.codes).rename(means.index.name)
    return means.astype(np.float64)


def distance_unit(tables: list[pd.DataFrame]) -> str:
    """``mm`` where every table measures surface distances in mm, ``px`` where every one does in px.

    Raises:
        BenchError: the tables do not share a unit, so their distances cannot stand in one column.
    """
    for unit in ("mm", "px"):
        if all((table["metric"] == f"hd95_{unit}").any() for table in tables):
            return unit
    if not any(table["metric"].str.startswith("hd95_").any() for table in tables):
        return "mm"
    # A mean over millimetres and pixels is no length; one reference run without a pixel size would spoil a column
    # silently.
    raise BenchError("The runs measure surface distances in different units (mm and px); report them separately.")


def ef_methods(rows: pd.DataFrame) -> list[str]:
    """Names of the ejection fraction methods that were predicted, the preferred one first (biplane, then single plane).

    Phases are those that the data set states; ``ef_<method>_auto``, at predicted phases, is another quantity.
    """
    found = {m.group(1) for name in rows["metric"].unique() if (m := re.fullmatch(r"ef_(.+)_predicted", name))}
    preferred = [name for name in _EF_PREFERENCE if name in found]
    return preferred + sorted(found - set(preferred))


def ef_pairs(rows: pd.DataFrame, method: str, against: str = "reference") -> pd.DataFrame:
    """Predicted and true ejection fraction in percent, one patient per row: columns ``predicted`` and ``truth``.

    ``against`` is ``reference`` (EF of the reference masks by the same method) or ``stated`` (EF the dataset states).
    Patients for whom one of the two is missing are left out.
    """
    truth = "ef_stated" if against == "stated" else f"ef_{method}_reference"
    pairs = pd.DataFrame(
        {"predicted": patient_means(rows, f"ef_{method}_predicted"), "truth": patient_means(rows, truth)}
    )
    # A patient without a prediction is a failure and is counted where failures are (``failures.worst_ef_error``);
    # agreement needs pairs.
    return pairs.dropna()
