"""A finished study in a folder that can be committed: every table and figure without data, weights or storage.

Four files::

    archive.json   definition, cells, which run belongs to which cell and seed, trials as Optuna knew them
    runs.json      record of every run: resolved config, code version, environment, timings, reason of a failure
    cases.csv.xz   one row per run, case, frame and structure, one column per metric, full float precision
    costs.csv      one row per run and measured condition

Values of a whole view or patient (EF) are left out: no table of a study uses them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import BenchError, DataError
from harness.files import read_json, write_json, write_text
from harness.schema import parsed
from harness.store.formats.cases import CASES, ROW_COLUMNS
from harness.store.formats.profile import PROFILE
from harness.store.formats.record import shape_problem
from harness.store.formats.study import Cell, StudyDefinition
from harness.store.formats.table import PACKED, TableFormat

FILE = "archive.json"
RECORDS_FILE = "runs.json"
_AGAIN = "export the study again with `echobench export`"
_CASE = [name for name in ROW_COLUMNS if name not in ("metric", "value")]
WIDE_CASES = TableFormat(
    name="cases of an archive",
    file="cases.csv",
    columns={name: CASES.columns[name] for name in _CASE},
    further="number",  # one column per metric, whatever was measured
)
COSTS = TableFormat(
    name="costs of an archive",
    file="costs.csv",
    columns={"run": "text", **PROFILE.columns},
    optional=frozenset(PROFILE.columns),
    retired=PROFILE.retired,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedRun:
    """A run of an archive: the key of its cell, its seed, and its parts as a store would hold them."""

    cell: str
    seed: int
    record: dict[str, Any]
    rows: pd.DataFrame
    profile: pd.DataFrame | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _StoredRun:
    """A run as ``archive.json`` names it."""

    cell: str
    seed: int
    run: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stored:
    """What ``archive.json`` holds."""

    name: str
    command: str
    dataset: str
    mark: str | None
    definition: StudyDefinition
    cells: tuple[Cell, ...]
    runs: tuple[_StoredRun, ...]
    trials: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyArchive:
    """A study as it is kept; ``trials`` are plain dictionaries (see ``results.study.archive``)."""

    name: str
    command: str
    dataset: str
    mark: str | None
    definition: StudyDefinition
    cells: tuple[Cell, ...]
    runs: tuple[ArchivedRun, ...]
    trials: tuple[dict[str, Any], ...]

    def write_design(self, folder: Path) -> Path:
        """Write ``archive.json`` alone: the study without its runs' rows, for a reader who has the store."""
        content = {
            "name": self.name,
            "command": self.command,
            "dataset": self.dataset,
            "mark": self.mark,
            "definition": asdict(self.definition),
            "cells": [asdict(cell) for cell in self.cells],
            "runs": [{"cell": run.cell, "seed": run.seed, "run": run.record.get("name")} for run in self.runs],
            "trials": list(self.trials),
        }
        # Not sorted: the first level of a factor is its reference.
        write_text(Path(folder) / FILE, json.dumps(content, indent=1) + "\n")
        return Path(folder) / FILE

    def write(self, folder: Path) -> list[Path]:
        """Write the four files; returns their paths."""
        folder = Path(folder)
        rows = folder / (WIDE_CASES.file + PACKED)
        WIDE_CASES.write(wide([run.rows for run in self.runs if len(run.rows)]), rows)
        COSTS.write(_costs(self.runs), folder / COSTS.file)
        write_json(folder / RECORDS_FILE, [run.record for run in self.runs])
        # The design last: a folder with ``archive.json`` is a whole archive, whenever the writing was stopped.
        return [rows, folder / COSTS.file, folder / RECORDS_FILE, self.write_design(folder)]


def is_archive(folder: Path) -> bool:
    """Whether a folder holds the archive of a study, rows included."""
    return not _missing(Path(folder))


def _missing(folder: Path) -> list[str]:
    names = [name for name in (FILE, RECORDS_FILE, COSTS.file) if not (folder / name).is_file()]
    return names if WIDE_CASES.stored(folder) else [*names, WIDE_CASES.file]


def read_archive(folder: Path) -> StudyArchive:
    """Read what ``StudyArchive.write`` wrote.

    Raises:
        BenchError: a file is missing.
    """
    folder = Path(folder)
    for name in _missing(folder):
        raise BenchError(f"{folder} is no archive of a study: it has no {name}; make one with `echobench export`.")
    stored = WIDE_CASES.stored(folder) or folder / WIDE_CASES.file
    rows = long(WIDE_CASES.read(stored))
    costs = {
        str(run): table.drop(columns="run").reset_index(drop=True)
        for run, table in COSTS.read(folder / COSTS.file).groupby("run", sort=False)
    }
    content = read_json(folder / RECORDS_FILE)
    problems = [shape_problem(record) for record in content] if isinstance(content, list) else ["it is no list"]
    if found := next(filter(None, problems), None):
        raise DataError(f"{folder / RECORDS_FILE} holds no records of runs: {found}; {_AGAIN}.")
    # By name and not by position: the files may have been sorted or merged by hand.
    records = {record["name"]: record for record in content}
    design = read_design(folder)
    if lost := [run.record["name"] for run in design.runs if run.record["name"] not in records]:
        raise DataError(f"{folder / RECORDS_FILE} lacks the run {lost[0]}; {_AGAIN}.")
    runs = tuple(
        replace(
            run,
            record=records[run.record["name"]],
            rows=rows[rows["run"] == run.record["name"]].reset_index(drop=True),
            profile=costs.get(run.record["name"]),
        )
        for run in design.runs
    )
    return replace(design, runs=runs)


def read_design(folder: Path) -> StudyArchive:
    """Read ``archive.json`` alone: runs have a name in their record, no rows and no profile.

    Raises:
        DataError: it is no archive, or names a cell that it does not define.
    """
    path = Path(folder) / FILE
    stored = parsed(_Stored, read_json(path), f"{path} is no archive of a study", _AGAIN)
    keys = {cell.key for cell in stored.cells}
    if lost := [entry.cell for entry in stored.runs if entry.cell not in keys]:
        raise DataError(f"{path} has a run of the cell '{lost[0]}', which it does not define; {_AGAIN}.")
    runs = [
        ArchivedRun(cell=entry.cell, seed=entry.seed, record={"name": entry.run}, rows=CASES.empty(), profile=None)
        for entry in stored.runs
    ]
    return StudyArchive(
        name=stored.name,
        command=stored.command,
        dataset=stored.dataset,
        mark=stored.mark,
        definition=stored.definition,
        cells=stored.cells,
        runs=tuple(runs),
        trials=stored.trials,
    )


def wide(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Case rows of several runs, one column per metric, cases in the order of their first row."""
    if not tables:
        return pd.DataFrame(columns=_CASE)
    rows = pd.concat(tables, ignore_index=True)
    # Values of a view or patient have frame -1 and would be cases of their own in the wide form.
    rows = rows[rows["frame"] >= 0]
    metrics = list(dict.fromkeys(rows["metric"]))
    cases = rows[_CASE].drop_duplicates()
    values = rows.pivot(index=_CASE, columns="metric", values="value").reset_index()
    # ``pivot`` sorts; the merge brings back the order of the first rows, so that an archive made again is the same
    # bytes.
    return cases.merge(values, on=_CASE, how="left", validate="1:1")[[*_CASE, *metrics]]


def long(table: pd.DataFrame) -> pd.DataFrame:
    """The inverse of ``wide``: rows with the columns ``ROW_COLUMNS``."""
    rows = table.melt(id_vars=_CASE, var_name="metric", value_name="value")
    return rows[list(ROW_COLUMNS)]


def _costs(runs: tuple[ArchivedRun, ...]) -> pd.DataFrame:
    """Profiles of all runs with a first column ``run``."""
    tables = [run.profile.assign(run=run.record["name"]) for run in runs if run.profile is not None]
    return pd.concat(tables, ignore_index=True) if tables else COSTS.empty()
