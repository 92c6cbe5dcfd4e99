"""Learning curves read from a run's ``log.jsonl``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.files import read_json_lines
from harness.results.result_set import ResultSet

_LARGEST = 1e15
"""No iteration and no loss is larger; NaN is not smaller either."""
_LOSS, _SCORE = ("loss", "loss_total"), ("score", "dice", "val_dice")


def read_history(folder: Path) -> pd.DataFrame:
    """Columns ``iteration``, ``loss`` (training) and ``score`` (validation Dice) of one run, in order of iteration.

    Lines that are no record (a process was killed while writing) are skipped; an absent log gives an empty table.
    """
    rows = []
    for _, record in read_json_lines(Path(folder) / "log.jsonl"):
        names = {"train": ("loss", _LOSS), "val": ("score", _SCORE)}.get(str(record.get("kind")))
        value = next((record[key] for key in names[1] if record.get(key) is not None), None) if names else None
        # A damaged log costs points of a curve, never the report.
        if names and _number(record.get("iteration")) and _number(value):
            rows.append({"iteration": record["iteration"], names[0]: value})
    table = pd.DataFrame(rows, columns=["iteration", "loss", "score"])
    return table.sort_values("iteration", kind="stable").reset_index(drop=True)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def histories(results: ResultSet) -> dict[str, pd.DataFrame]:
    """The learning curves of every arm that has a log: mean over seeds, and ``*_low`` and ``*_high`` their range."""
    found = {}
    for arm in results.arms:
        logs = [read_history(run.folder) for run in arm.runs if run.folder is not None]
        table = over_seeds([log for log in logs if len(log)])
        if len(table):
            found[arm.label] = table
    return found


def over_seeds(logs: list[pd.DataFrame]) -> pd.DataFrame:
    """Mean, least and largest loss and score per iteration; columns ``<kind>``, ``<kind>_low`` and ``<kind>_high``."""
    if not logs:
        return pd.DataFrame()
    # Seeds log at the same iterations, so a mean per iteration is one over seeds.
    grouped = pd.concat(logs).groupby("iteration")[["loss", "score"]]
    low, high = grouped.min().add_suffix("_low"), grouped.max().add_suffix("_high")
    return pd.concat([grouped.mean(), low, high], axis=1).reset_index()


def memory_curves(results: ResultSet) -> pd.DataFrame:
    """Peak memory against clip length from the profiles: columns ``model``, ``clip_length``, ``peak_memory_mb``."""
    tables = []
    for arm in results.arms:
        profile = next((run.profile for run in arm.finished if run.profile is not None), None)
        if profile is None:
            continue
        rows = profile[profile["mode"] == "memory_streaming"].dropna(subset=["clip_length", "peak_memory_mb"])
        tables.append(rows.assign(model=arm.label)[["model", "clip_length", "peak_memory_mb"]])
    return pd.concat(tables) if tables else pd.DataFrame(columns=["model", "clip_length", "peak_memory_mb"])
