"""From a sweep's rows to one line per condition and patient: the unit of every statistic, small enough to be committed.

Frames and phases of a view are averaged first, then the views of a patient. Values are rounded to ``DECIMALS``, so that a
report made from the stored table says the same as one made from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.files import write_json, write_text
from harness.experiments.sweep.sweep import CLEAN, sweep_files, swept
from harness.store.runs import Run, RunStore
from harness.statistics.paired import DICE_MARGIN
from harness.statistics.patients import ef_methods

FAILED_DICE = 0.5
DECIMALS = 4
"""Of percent, millimetres and EF points."""
CONDITION = ["perturbation", "severity"]
KEYS = [*CONDITION, "patient"]
FILE = "robustness.csv"
"""Beside ``cases.csv`` in a run's folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readout:
    """A quantity of a sweep: ``key`` in files, words and unit for people, whether more is better."""

    key: str
    header: str
    unit: str
    higher: bool
    digits: int = 1
    margin: float = 0.0

    @property
    def scale(self) -> float:
        """Shares are shown in percent."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def difference_unit(self) -> str:
        """Of a difference of two values."""
        return "points" if self.unit == "%" else self.unit


DICE = Readout(key="dice", header="Dice", unit="%", higher=True, margin=100 * DICE_MARGIN)
FAILURE = Readout(key="failure", header="Failures", unit="%", higher=False)
EF = Readout(key="ef_error", header="EF error", unit="points", higher=False)
HD95 = Readout(key="hd95_mm", header="HD95", unit="mm", higher=False, digits=2)
HD95_PX = Readout(key="hd95_px", header="HD95", unit="px", higher=False, digits=2)
FLIPS = Readout(key="flip_rate", header="Flicker", unit="%", higher=False, digits=2)
READOUTS = (DICE, FAILURE, EF, HD95, HD95_PX, FLIPS)


def patient_table(rows: pd.DataFrame, structure: str = "lv") -> pd.DataFrame:
    """One line per (perturbation, severity, patient) of one run's rows (``SWEEP_COLUMNS``).

    Columns ``perturbation, severity, strength, patient``, the ``key`` of each read-out that was measured (NaN where a
    patient has no value), and ``clip_hash``: those of the patient's clips as the model saw them, joined by ``+``.
    """
    values = {item.key: patient_values(rows, item, structure) for item in READOUTS}
    measured = {key: found.round(DECIMALS) for key, found in values.items() if len(found)}
    heads = rows.drop_duplicates([*KEYS, "view"]).groupby(KEYS)
    table = pd.DataFrame(
        {"strength": heads["strength"].first(), **measured, "clip_hash": heads["clip_hash"].agg(_joined)}
    )
    table = table.reset_index().sort_values(KEYS, key=_clean_first, kind="stable", ignore_index=True)
    return table[[*CONDITION, "strength", "patient", *measured, "clip_hash"]]


def patient_values(rows: pd.DataFrame, readout: Readout, structure: str = "lv") -> pd.Series:
    """One value per (perturbation, severity, patient) of one run's rows, unrounded.

    ``dice``, ``hd95_*``, ``flip_rate``: mean over frames, then over views; undefined cases (NaN) are left out.
    ``failure``: share of a patient's labelled frames with a Dice below 0.5 or one of the two masks empty.
    ``ef_error``: absolute difference of the predicted EF and that of the reference masks by the preferred method that
    the rows hold; NaN where no EF could be computed. A quantity that does not occur gives an empty series.
    """
    if readout.key == EF.key:
        return _ef_error(rows)
    name = "dice" if readout.key == FAILURE.key else readout.key
    chosen = rows[(rows["metric"] == name) & rows["structure"].isin([structure, ""])]
    if readout.key == FAILURE.key:
        chosen = chosen.assign(value=np.where(chosen["value"].isna(), np.nan, chosen["value"] < FAILED_DICE))
    by_view = chosen.groupby([*KEYS, "view"])["value"].mean()
    found: pd.Series = by_view.groupby(KEYS).mean() * readout.scale
    return found


def _ef_error(rows: pd.DataFrame) -> pd.Series:
    methods = ef_methods(rows)
    if not methods:
        return pd.Series(dtype=float)
    parts = []
    for source in ("predicted", "reference"):
        values = rows[rows["metric"] == f"ef_{methods[0]}_{source}"]
        parts.append(values.groupby(KEYS)["value"].mean())
    difference: pd.Series = (parts[0] - parts[1]).abs()
    return difference


def _joined(hashes: pd.Series) -> str:
    return "+".join(text for text in hashes if text)


def _clean_first(column: pd.Series) -> pd.Series:
    return column.where(column != CLEAN, "") if column.name == "perturbation" else column


def read_patients(path: Path) -> pd.DataFrame:
    """A table of patients from its file: names and hashes as text."""
    text = dict.fromkeys(("perturbation", "patient", "clip_hash"), str)
    return pd.read_csv(path, dtype={**text, "severity": int}, keep_default_na=False, na_values=_empty_numbers(path))


def _empty_numbers(path: Path) -> dict[str, list[str]]:
    names = path.open(encoding="utf-8").readline().strip().split(",")
    return {name: [""] for name in names if name not in ("perturbation", "patient", "clip_hash")}


def export_sweep(run: Run, store: RunStore) -> Run:
    """Put a swept run's record and table of patients into another store, without its rows; returns the copy.

    Raises:
        BenchError: the run was not swept.
    """
    folder = store.root / run.name
    write_text(folder / FILE, patients_of(run).to_csv(index=False))
    write_json(folder / "run.json", run.record)
    return store.get(run.name)


def patients_of(run: Run) -> pd.DataFrame:
    """The table of a swept run: made from its rows, or as stored where the rows did not travel with it.

    Raises:
        BenchError: the run was not swept.
    """
    stored = run.path / FILE
    return read_patients(stored) if stored.is_file() and not sweep_files(run) else patient_table(swept(run))
