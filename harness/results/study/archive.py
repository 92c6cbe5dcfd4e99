"""The small part of a finished study that can be committed, and reading it back: every table and figure without data.

A folder of four files::

    archive.json   definition, cells, which run belongs to which cell and seed, trials as Optuna knew them
    runs.json      record of every run: resolved config, code version, environment, timings, reason of a failure
    cases.csv      one row per run, case, frame and structure, one column per metric, full float precision
    costs.csv      one row per run and measured condition
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from harness.experiments.study.cells import Cell, variant_name
from harness.experiments.study.definition import Dimension, Factor, StudyDefinition
from harness.results.study.results import StudyResults
from harness.errors import BenchError
from harness.files import read_json, write_json, write_text
from harness.results.suite import ModelResults, SuiteResults
from harness.store.runs import ROW_COLUMNS

FILE = "archive.json"
_CASE = ["run", "model", "seed", "dataset", "split", "patient", "view", "frame", "phase", "structure"]
_ENDED = ("finished", "failed")


def export_study(results: StudyResults, folder: Path) -> list[Path]:
    """Write the four files of a finished study; returns their paths.

    Values of a whole view or patient (EF) are left out: no table of a study uses them.

    Raises:
        BenchError: a run is neither finished nor failed.
    """
    for run in results.suite.models:
        if run.status not in _ENDED:
            raise BenchError(f"The run {run.record['name']} is {run.status}; only finished studies are exported.")
    folder = Path(folder)
    texts = {
        "cases.csv": wide([run.rows for run in results.suite.models if run.finished]).to_csv(index=False),
        "costs.csv": _costs(results).to_csv(index=False),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    write_json(folder / "runs.json", [run.record for run in results.suite.models])
    return [*(folder / name for name in texts), folder / "runs.json", _write_manifest(results, folder)]


def _write_manifest(results: StudyResults, folder: Path) -> Path:
    keys = {name: key for key, name in results.names.items()}
    content = {
        "name": results.suite.name,
        "command": results.command,
        "dataset": results.suite.dataset,
        "mark": results.suite.mark,
        "definition": asdict(results.definition),
        "cells": [asdict(cell) for cell in results.cells],
        "runs": [{"cell": keys[r.label], "seed": r.seed, "run": r.record.get("name")} for r in results.suite.models],
        "trials": [_trial_to_dict(trial) for trial in results.study.get_trials(deepcopy=False)],
    }
    path = Path(folder) / FILE
    write_text(path, json.dumps(content, indent=1) + "\n")  # not sorted: the first level of a factor is its reference
    return path


def read_export(folder: Path) -> StudyResults:
    """Read what ``export_study`` wrote; the stored study is one in memory.

    Raises:
        BenchError: a file is missing.
    """
    folder = Path(folder)
    for name in (FILE, "runs.json", "cases.csv", "costs.csv"):
        if not (folder / name).is_file():
            raise BenchError(
                f"{folder} is no exported study: it has no {name}; make one with `echobench ablate --export`."
            )
    content = read_json(folder / FILE)
    definition = _definition(content["definition"])
    cells = tuple(Cell(**cell) for cell in content["cells"])
    rows = long(pd.read_csv(folder / "cases.csv", dtype={"patient": str, "phase": str}, keep_default_na=True))
    names = {cell.key: variant_name(definition, cell.levels) for cell in cells}
    records = {record["name"]: record for record in read_json(folder / "runs.json")}
    costs = _read_costs(folder / "costs.csv")
    models = [
        _model(names[one["cell"]], one["seed"], records[one["run"]], rows, costs.get(one["run"]))
        for one in content["runs"]
    ]
    suite = SuiteResults(
        name=content["name"],
        dataset=content["dataset"],
        mark=content["mark"],
        models=tuple(models),
        reference=names[cells[0].key] if cells else "",
        command=content["command"],
    )
    return StudyResults(
        definition=definition, cells=cells, suite=suite, study=_study(content), command=content["command"]
    )


def wide(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Case rows of several runs, one column per metric, cases in the order of their first row."""
    if not tables:
        return pd.DataFrame(columns=_CASE)
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[rows["frame"] >= 0]
    metrics = list(dict.fromkeys(rows["metric"]))
    cases = rows[_CASE].drop_duplicates()
    values = rows.pivot(index=_CASE, columns="metric", values="value").reset_index()
    return cases.merge(values, on=_CASE, how="left", validate="1:1")[[*_CASE, *metrics]]


def long(table: pd.DataFrame) -> pd.DataFrame:
    """The inverse of ``wide``: rows with the columns ``ROW_COLUMNS``."""
    rows = table.fillna({"phase": ""}).melt(id_vars=_CASE, var_name="metric", value_name="value")
    return rows[list(ROW_COLUMNS)]


def _model(
    label: str, seed: int, record: dict[str, Any], rows: pd.DataFrame, costs: pd.DataFrame | None
) -> ModelResults:
    spec = record["spec"]
    return ModelResults(
        label=label,
        model=spec["model"]["name"],
        size=spec["model"]["size"],
        seed=seed,
        first_frame=spec["protocol"].get("first_frame", "auto"),
        rows=rows[rows["run"] == record["name"]].reset_index(drop=True),
        profile=costs,
        record=record,
        status=record["status"],
        reason=record.get("reason"),
    )


def _costs(results: StudyResults) -> pd.DataFrame:
    """Profiles of all runs with a first column ``run``."""
    tables = {run.record["name"]: run.profile for run in results.suite.models if run.profile is not None}
    if not tables:
        return pd.DataFrame(columns=["run"])
    return pd.concat(tables, names=["run"]).reset_index(level="run").reset_index(drop=True)


def _read_costs(path: Path) -> dict[str, pd.DataFrame]:
    table = pd.read_csv(path)
    return {str(run): own.drop(columns="run").reset_index(drop=True) for run, own in table.groupby("run", sort=False)}


def _definition(raw: dict[str, Any]) -> StudyDefinition:
    return StudyDefinition(
        **{
            **raw,
            "seeds": tuple(raw["seeds"]),
            "factors": tuple(Factor(**factor) for factor in raw["factors"]),
            "exclude": tuple(raw["exclude"]),
            "moot": tuple(raw["moot"]),
            "space": tuple(Dimension(**dimension) for dimension in raw["space"]),
        }
    )


def _trial_to_dict(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "params": trial.params,
        "distributions": {name: distribution_to_json(one) for name, one in trial.distributions.items()},
        "user_attrs": {key: value for key, value in trial.user_attrs.items() if key != "worker"},
        "intermediate_values": trial.intermediate_values,
    }


def _study(content: dict[str, Any]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", study_name=content["name"])
    for trial in content["trials"]:
        study.add_trial(
            optuna.create_trial(
                state=TrialState[trial["state"]],
                value=trial["value"],
                params=trial["params"],
                distributions={name: json_to_distribution(one) for name, one in trial["distributions"].items()},
                user_attrs=trial["user_attrs"],
                intermediate_values={int(step): value for step, value in trial["intermediate_values"].items()},
            )
        )
    return study
