"""Learning curves read from a run's ``log.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from harness.reporting.results import SuiteResults

_LOSS, _SCORE = ("loss", "loss_total"), ("score", "dice", "val_dice")


def read_history(folder: Path) -> pd.DataFrame:
    """Columns ``iteration``, ``loss`` (training) and ``score`` (validation Dice) of one run, in order of iteration.

    Lines that are no JSON (a process was killed while writing) are skipped; an absent log gives an empty table.
    """
    path, rows = Path(folder) / "log.jsonl", []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "iteration" in record:
            names = {"train": ("loss", _LOSS), "val": ("score", _SCORE)}.get(record.get("kind", ""))
            value = next((record[key] for key in names[1] if record.get(key) is not None), None) if names else None
            if names and value is not None:
                rows.append({"iteration": record["iteration"], names[0]: value})
    table = pd.DataFrame(rows, columns=["iteration", "loss", "score"])
    return table.sort_values("iteration", kind="stable").reset_index(drop=True)


def histories(results: SuiteResults) -> dict[str, pd.DataFrame]:
    """The learning curves of the first seed of every arm that has a log."""
    found = {}
    for arm in results.arms:
        folder = arm.runs[0].folder
        table = read_history(folder) if folder is not None else pd.DataFrame()
        if len(table):
            found[arm.label] = table
    return found


def memory_curves(results: SuiteResults) -> pd.DataFrame:
    """Peak memory against clip length from the profiles: columns ``model``, ``clip_length``, ``peak_memory_mb``."""
    tables = []
    for arm in results.arms:
        profile = next((run.profile for run in arm.finished if run.profile is not None), None)
        if profile is None or not {"mode", "clip_length", "peak_memory_mb"} <= set(profile):
            continue
        rows = profile[profile["mode"] == "memory_streaming"].dropna(subset=["clip_length", "peak_memory_mb"])
        tables.append(rows.assign(model=arm.label)[["model", "clip_length", "peak_memory_mb"]])
    return pd.concat(tables) if tables else pd.DataFrame(columns=["model", "clip_length", "peak_memory_mb"])
