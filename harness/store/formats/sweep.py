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
HELD = "held"
"""The same where a model's last mask before a passing fault stands for the fault's frames."""
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
        # Where the frame lies to the window of a fault that passes: before, edge, inside, after.
        "window": "text",
    },
    optional=frozenset({"window"}),
    sparse=True,
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


def sweep_path(run: Run, perturbation: str, window: int | None = None) -> Path:
    """Where the rows of one perturbation of a run are kept; those of faults that pass lie in a folder per window's length."""
    folder = run.path / FOLDER
    return (folder if window is None else folder / passing_folder(window)) / f"{perturbation}.csv"


def passing_folder(window: int | str) -> str:
    """The name of the folder of rows, and of the report, of faults that pass in ``window`` frames."""
    return f"passing-{window}"


def read_sweep(path: Path) -> pd.DataFrame:
    """Rows of one file with ``SWEEP_COLUMNS``; none where the file is not there."""
    return SWEEP.read(path) if path.is_file() else SWEEP.empty()


def sweep_files(run: Run, window: int | None = None) -> list[Path]:
    """The files of a run's sweep, that of the clean condition first; none where it was not swept."""
    folder = sweep_path(run, CLEAN, window).parent
    # Clean first: what reads on sees the undisturbed rows before any perturbed ones.
    return sorted(folder.glob("*.csv"), key=lambda item: (item.stem != CLEAN, item.stem))


def swept(run: Run, window: int | None = None) -> pd.DataFrame:
    """All rows of a run's sweep, the clean ones first; with ``window`` of the faults that pass in so many frames.

    Raises:
        BenchError: the run was not swept.
    """
    files = sweep_files(run, window)
    if not files:
        when = "" if window is None else f" --when passing:{window}"
        raise BenchError(
            f"The run {run.name} was not swept yet; use `echobench robustness run --runs {run.name}{when}`."
        )
    return pd.concat([read_sweep(path) for path in files], ignore_index=True)
