"""What is in a results store, as a table: status, scores, and what sets runs apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.errors import BenchError, explained
from harness.results.labels import differing, flattened
from harness.results.measures import DICE, HD95, HD95_PX, Measure, Selection
from harness.store.formats.cases import CASES
from harness.store.runs import Run

_SCORES = (DICE, HD95, HD95_PX)
_NO_SCORES: dict[str, float] = {**{measure.name: float("nan") for measure in _SCORES}, "patients": 0}
# What differs between any two runs, or follows from something that is shown.
_TOLD = ("seed", "code", "generation", "masks", "model.name", "model.label", "data.dataset", "data.fingerprint")


def list_runs(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: run, status, model, size, dataset, seed, dice, hd95_mm, hd95_px, patients, differs, finished, note.

    Scores are means over the test patients of the first structure scored; missing where a run is not finished. ``differs``
    holds the settings that set a run apart from the other listed runs of its model and dataset, as a dictionary.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.spec.model["name"], run.spec.data["dataset"]), []).append(run)
    apart = {
        run.name: settings
        for members in groups.values()
        for run, settings in zip(members, differing([run.record["spec"] for run in members]), strict=True)
    }
    return pd.DataFrame([_row(run, apart[run.name]) for run in runs])


def _row(run: Run, settings: dict[str, Any]) -> dict[str, Any]:
    spec = run.spec
    note = "other code" if run.other_code else str(run.record.get("reason") or "").partition("\n")[0]
    try:
        scores, status = _scores(run), str(run.status)
    # One damaged table never keeps the others from being listed.
    except (BenchError, OSError) as error:
        scores, status, note = _NO_SCORES, "damaged", str(explained(error) or error)
    return {
        "run": run.name,
        "status": status,
        "model": spec.model.get("label") or spec.model["name"],
        "size": spec.model["size"],
        "dataset": spec.data["dataset"],
        "seed": spec.seed,
        **scores,
        "differs": {key: value for key, value in settings.items() if key not in _TOLD},
        "finished": run.record.get("finished") or "",
        "note": note,
    }


def _scores(run: Run) -> dict[str, float]:
    path = CASES.stored(run.path)
    if run.status != "finished" or path is None:
        return _NO_SCORES
    rows = CASES.read(path)
    rows = rows[rows["split"] == "test"]
    # Values of a whole patient have no structure and may stand first.
    structure = next((name for name in rows["structure"] if name), "lv")
    return {
        **{measure.name: _mean(measure, rows, structure) for measure in _SCORES},
        "patients": int(rows["patient"].nunique()),
    }


def _mean(measure: Measure, rows: pd.DataFrame, structure: str) -> float:
    values = measure.by_patient(rows, Selection(structure=structure))
    # A mean without the undefined patients would rank a run above one that answers for all.
    return float(values.to_numpy(float).mean()) if values.size and values.notna().all(axis=None) else float("nan")


def differences(first: Run, second: Run) -> list[tuple[str, str, str]]:
    """Every setting that two runs do not share, by its dotted key, with both values; a setting that one lacks is ``-``."""
    one, other = (flattened(run.record["spec"]) for run in (first, second))
    keys = [*one, *(key for key in other if key not in one)]
    return [(key, _text(one, key), _text(other, key)) for key in keys if _text(one, key) != _text(other, key)]


def _text(settings: dict[str, Any], key: str) -> str:
    if key not in settings:
        return "-"
    value = settings[key]
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
