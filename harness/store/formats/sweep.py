"""A run's robustness sweep: rows per case and condition in ``robustness/``, and its patients in ``robustness.csv.gz``.

Rows lie in one file per perturbation (``clean.csv`` for severity 0); the patients' table is the small part that travels.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.errors import BenchError
from harness.store.formats.cases import CASES
from harness.store.formats.table import TableFormat
from harness.store.runs import Run

CLEAN = "clean"
"""The value of the column ``perturbation`` in rows of severity 0."""
FOLDER = "robustness"
CONDITION = ["perturbation", "severity"]

SWEEP = TableFormat(
    name="rows of a sweep",
    columns={
        **CASES.columns,
        "perturbation": "text",
        "severity": "integer",
        "strength": "number",
        # Of the clip that the model saw; empty in rows of a patient that join several views.
        "clip_hash": "text",
    },
)
SWEEP_COLUMNS = tuple(SWEEP.columns)
PATIENTS = TableFormat(
    name="a sweep's table of patients",
    file="robustness.csv.gz",
    columns={
        "perturbation": "text",
        "severity": "integer",
        "strength": "number",
        "patient": "text",
        "dice": "number",
        "failure": "number",
        "ef_error": "number",
        "hd95_mm": "number",
        "hd95_px": "number",
        "flip_rate": "number",
        "clip_hash": "text",
    },
    optional=frozenset({"dice", "failure", "ef_error", "hd95_mm", "hd95_px", "flip_rate"}),
    sparse=True,
)


def sweep_path(run: Run, perturbation: str) -> Path:
    """Where the rows of one perturbation of a run are kept."""
    return run.path / FOLDER / f"{perturbation}.csv"


def read_sweep(path: Path) -> pd.DataFrame:
    """Rows of one file with ``SWEEP_COLUMNS``; none where the file is not there."""
    return SWEEP.read(path) if path.is_file() else SWEEP.empty()


def sweep_files(run: Run) -> list[Path]:
    """The files of a run's sweep, that of the clean condition first; none where it was not swept."""
    return sorted((run.path / FOLDER).glob("*.csv"), key=lambda item: (item.stem != CLEAN, item.stem))


def swept(run: Run) -> pd.DataFrame:
    """All rows of a run's sweep, the clean ones first.

    Raises:
        BenchError: the run was not swept.
    """
    files = sweep_files(run)
    if not files:
        raise BenchError(f"The run {run.name} was not swept yet; use `echobench robustness run --runs {run.name}`.")
    return pd.concat([read_sweep(path) for path in files], ignore_index=True)
