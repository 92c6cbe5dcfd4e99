"""What the stored rows of a committed report say, with pandas, numpy and scipy alone: nothing of ``harness.results`` is used."""

from __future__ import annotations

import functools
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.reporting.tables.table import Column, Row

ROOT = Path(__file__).resolve().parents[2]


def _rows(folder: Path) -> str:
    """The file of case rows: plain where a run wrote it, compressed where it was exported."""
    return "cases.csv" if (folder / "cases.csv").is_file() else "cases.csv.xz"


class Stored:
    """What lies in the store of one report: label of an arm → its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.parent.name if folder.name == "robustness" else folder.name
        self.store = ROOT / "results" / "reference" / self.name
        kind = "robustness" if folder.name == "robustness" else "study" if self.study else "suite"
        self.manifest = json.loads((folder / f"{kind}.json").read_text())
        self.reference = self.manifest["reference"]
        self.arms = self._archived() if self.study else self._runs()

    @property
    def study(self) -> bool:
        return (self.store / "archive.json").is_file()

    def _runs(self) -> dict[str, list[dict[str, Any]]]:
        arms: dict[str, list[dict[str, Any]]] = {}
        for name in self.manifest["runs"]:
            folder = self.store / name
            record = json.loads((folder / "run.json").read_text())
            augment = record["spec"]["recipe"].get("augment", [])
            steps = augment if isinstance(augment, list) else []
            shown = [step.get("perturbations", []) for step in steps if step["type"] == "RobustAugmentation"]
            seen = set(itertools.chain(*shown))
            label = record["spec"]["model"]["label"] + (" (augmented)" if seen else "")
            files = {"cases": _rows(folder), "profile": "profile.csv", "robustness": "robustness.csv.gz"}
            tables = {
                stem: pd.read_csv(folder / file, keep_default_na=False, na_values=[""])
                for stem, file in files.items()
                if (folder / file).is_file()
            }
            arms.setdefault(label, []).append({"record": record, "seen": seen, "known": {}, **tables})
        return arms

    def _archived(self) -> dict[str, list[dict[str, Any]]]:
        content = json.loads((self.store / "archive.json").read_text())
        records = {record["name"]: record for record in json.loads((self.store / "runs.json").read_text())}
        cases, costs = (pd.read_csv(self.store / file) for file in (_rows(self.store), "costs.csv"))
        names = {",".join(f"{k}={v}" for k, v in cell["levels"].items()): cell["levels"] for cell in content["cells"]}
        factors = {factor["name"]: factor for factor in content["definition"]["factors"]}
        arms: dict[str, list[dict[str, Any]]] = {}
        for entry in content["runs"]:
            label = variant(names[entry["cell"]], factors)
            wide = cases[cases["run"] == entry["run"]]
            keys = ["run", "split", "patient", "view", "frame", "phase", "structure"]
            metrics = [name for name in wide.columns if name not in (*keys, "model", "seed", "dataset")]
            rows = wide.melt(id_vars=keys, value_vars=metrics, var_name="metric", value_name="value")
            profile = costs[costs["run"] == entry["run"]]
            run = {
                "record": records[entry["run"]],
                "seen": set(),
                "known": {},
                "cases": rows,
                "levels": names[entry["cell"]],
            }
            arms.setdefault(label, []).append(run | ({"profile": profile} if len(profile) else {}))
        return arms


@functools.cache
def stored_of(folder: Path) -> Stored:
    return Stored(folder)


def variant(levels: dict[str, str], factors: dict[str, Any]) -> str:
    words = []
    for name, factor in factors.items():
        first, level = next(iter(factor["levels"])), levels[name]
        if level not in (first, "moot"):
            switch = set(factor["levels"]) == {"on", "off"}
            words.append(
                f"no {factor['label']}" if switch else level if len(factors) == 1 else f"{factor['label']} {level}"
            )
    return ", ".join(words) or "full"


def group_part(group: str) -> dict[str, str]:
    key = "phase" if group in ("ED", "ES") else "view"
    return {} if group in ("", "all views and phases") else {key: group}


def patients(run: dict[str, Any], metric: str, **part: str) -> pd.Series:
    """Mean over frames, then views, per patient."""
    key = (metric, *sorted(part.items()))
    if key not in run["known"]:
        run["known"][key] = _patients(run, metric, part)
    values: pd.Series = run["known"][key]
    return values


FRAMES = {
    "ends": ("ED", "ES", ""),
    "every": ("ED", "ES", "labelled"),
    "interpolated": ("interp",),
    "stages": ("ED", "ES", "labelled"),
}
"""Phases of the rows that a figure is of; values of whole clips and patients have none."""


def _patients(run: dict[str, Any], metric: str, part: dict[str, str]) -> pd.Series:
    rows = run["cases"][(run["cases"]["metric"] == metric) & (run["cases"]["split"] == "test")]
    rows = rows.fillna({"view": "", "phase": ""})
    frames = part.get("frames", "ends")
    rows = rows[rows["phase"].isin(FRAMES[frames])]
    if frames == "stages":
        rows = rows[[stage == part["stage"] for stage in stages(rows)]]
    if "absolute" in part:
        rows = rows.assign(value=rows["value"].abs())
    for key, value in part.items():
        if key not in ("frames", "stage", "absolute"):
            rows = rows[rows[key] == value]
    return rows.groupby(["patient", "view"])["value"].mean().groupby("patient").mean()


def stages(rows: pd.DataFrame) -> list[str]:
    """Stage of the cycle of each row's frame, in whole numbers: thirds between ED and ES, and between ES and the end (or ED)."""
    clips = list(zip(rows["patient"], rows["view"], strict=True))
    frames: dict[tuple[str, str], list[int]] = {}
    ends: dict[tuple[str, str, str], int] = {}
    for clip, frame, phase in zip(clips, rows["frame"], rows["phase"], strict=True):
        frames.setdefault(clip, []).append(frame)
        ends.setdefault((*clip, phase), frame)
    found = []
    for clip, frame, phase in zip(clips, rows["frame"], rows["phase"], strict=True):
        ed, es = ends.get((*clip, "ED")), ends.get((*clip, "ES"))
        stop = max(frames[clip])
        found.append("" if ed is None or es is None else phase if phase != "labelled" else stage(frame, ed, es, stop))
    return found


def stage(frame: int, ed: int, es: int, stop: int) -> str:
    if ed < frame < es:
        start, stop, name = ed, es, "systole"
    elif es < frame and (ed < es or frame < ed):
        start, stop, name = es, stop if ed < es else ed, "diastole"
    else:
        return ""
    third = -(-3 * (frame - start) // (stop - start))
    return f"{('early', 'mid', 'late')[third - 1]} {name}"


PERCENT = ("dice", "iou", "failure", "flip_rate", "flicker_predicted", "flicker_reference", "area_error", "nsd_mm")


PERCENT = ("dice", "iou", "failure", "flip_rate", "flicker_predicted", "flicker_reference", "area_error", "nsd_mm")


def scale(metric: str) -> float:
    return 100.0 if metric in PERCENT else 1.0


def seed_table(stored: Stored, label: str, metric: str, **part: str) -> pd.DataFrame:
    runs = [run for run in stored.arms[label] if "cases" in run]
    return pd.concat([scale(metric) * patients(run, metric, **part) for run in runs], axis=1).dropna()


def ef(stored: Stored, label: str, column: Column, against: str) -> list[pd.DataFrame]:
    """Predicted and true EF of every training, of the patients that all of them answered."""
    assert column.source is not None
    truth = "ef_stated" if against == "stated" else column.source.column.replace("predicted", "reference")
    runs = stored.arms[label]
    both = [
        pd.DataFrame({"predicted": patients(run, column.source.column), "truth": patients(run, truth)}).dropna()
        for run in runs
    ]
    shared = sorted(set.intersection(*(set(table.index) for table in both)))
    return [table.loc[shared] for table in both]


def ef_figure(stored: Stored, row: Row, column: Column, key: str, against: str) -> float:
    """The mean over trainings of one training's figure."""
    if key == "unanswered":
        return float(unanswered(stored, row.label, column, against))
    figures = [_ef_figures(pairs)[key] for pairs in ef(stored, row.label, column, against)]
    # Counted, not averaged: each training's prediction is one.
    return float(np.sum(figures) if key == "implausible" else np.mean(figures))


def _ef_figures(pairs: pd.DataFrame) -> dict[str, float]:
    error = pairs["predicted"] - pairs["truth"]
    r = np.corrcoef(pairs["predicted"], pairs["truth"])[0, 1]
    return {
        "mae": error.abs().mean(), "rmse": math.sqrt((error**2).mean()), "r": r, "pearson_r_squared": r**2,
        "bias": error.mean(), "sd": error.std(), "lower_limit": error.mean() - 1.96 * error.std(),
        "upper_limit": error.mean() + 1.96 * error.std(), "patients": len(pairs),
        "implausible": ((pairs["predicted"] < 0) | (pairs["predicted"] > 90)).sum(),
    }  # fmt: skip


def unanswered(stored: Stored, label: str, column: Column, against: str) -> int:
    assert column.source is not None
    truth = "ef_stated" if against == "stated" else column.source.column.replace("predicted", "reference")
    asked = {patient for run in stored.arms[label] for patient in patients(run, truth).dropna().index}
    return len(asked - set(ef(stored, label, column, against)[0].index))


def differences(stored: Stored, row: Row) -> pd.Series:
    metrics = {"Dice [%]": "dice", "IoU [%]": "iou", "HD95 [mm]": "hd95_mm", "ASD [mm]": "asd_mm", "NSD [%]": "nsd_mm"}
    labels = (stored.reference, row.label)
    if row.group.startswith("EF MAE"):
        pair = [ef_error(stored, label) for label in labels]
    else:
        pair = [seed_table(stored, label, metrics[row.group], structure="lv").mean(axis=1) for label in labels]
    return (pair[0] - pair[1]).dropna()


def ef_error(stored: Stored, label: str, against: str = "reference") -> pd.Series:
    """Absolute error per patient, mean over trainings; biplane where both views are there. At most that of no EF at all."""
    errors = []
    for run in stored.arms[label]:
        names = [m for m in run["cases"]["metric"].unique() if m.startswith("ef_") and m.endswith("_predicted")]
        name = "ef_biplane_predicted" if "ef_biplane_predicted" in names else names[0]
        truth = patients(run, "ef_stated" if against == "stated" else name.replace("predicted", "reference"))
        worst = np.maximum(truth, 100 - truth)
        errors.append((patients(run, name).reindex(truth.index) - truth).abs().fillna(worst).clip(upper=worst))
    return pd.concat(errors, axis=1).mean(axis=1)


def curve_ef_error(stored: Stored, label: str, name: str) -> pd.Series:
    """Absolute error per patient, mean over trainings; a curve without a beat is wrong by as much as an EF can be."""
    errors = []
    for run in stored.arms[label]:
        truth = patients(run, name.replace("predicted", "reference"))
        found = patients(run, name).reindex(truth.index)
        worst = np.maximum(truth, 100 - truth)
        errors.append((found - truth).abs().fillna(worst).clip(upper=worst))
    return pd.concat(errors, axis=1).mean(axis=1)


def column_patients(stored: Stored, label: str, key: str, structure: dict[str, str]) -> int | None:
    """Patients whom every training has a value of, in a column of the tables ``over_time`` and ``stages``; None for others."""
    every = {name: f"{name.removesuffix('_every')}_mm" for name in ("hd95_every", "asd_every", "nsd_every")}
    every["dice_every"] = "dice"
    clips = {"flicker": "flicker_predicted", "flicker_reference": "flicker_reference", "area_error": "area_error"}
    ends = ((phase, unit) for phase in ("ed", "es") for unit in ("frames", "ms"))
    clips |= {f"{phase}_timing_{unit}": f"{phase}_timing_error_{unit}" for phase, unit in ends}
    if key in every:
        return len(seed_table(stored, label, every[key], **structure, frames="every"))
    if key == "dice_interpolated":
        return len(seed_table(stored, label, "dice", **structure, frames="interpolated"))
    if key in clips:
        return len(seed_table(stored, label, clips[key], **structure))
    if key == "curve_ef_mae":
        return len(curve_ef_error(stored, label, "curve_ef_4ch_predicted"))
    if key in ("ED", "ES") or key.endswith(("_systole", "_diastole")):
        return len(seed_table(stored, label, "dice", **structure, frames="stages", stage=key.replace("_", " ")))
    return None


def walsh(values: pd.Series) -> float:
    sample = values.to_numpy()
    return float(np.median([(a + b) / 2 for a, b in itertools.combinations_with_replacement(sample, 2)]))


def headline(stored: Stored, label: str, column: str) -> float:
    values = []
    for run in stored.arms[label]:
        if "profile" in run:
            streaming = run["profile"][run["profile"]["mode"] == "streaming"]
            values.append(streaming[column].dropna().iloc[0])
    return float(np.median(values)) if values else math.nan


def clip_time(stored: Stored, label: str) -> float:
    """A whole clip by the engine of the headline."""
    for run in stored.arms[label]:
        if "profile" in run:
            engine = run["profile"].loc[run["profile"]["mode"] == "streaming", "engine"].iloc[0]
            clips = run["profile"][(run["profile"]["mode"] == "clip") & (run["profile"]["engine"] == engine)]
            return float(clips["median_ms"].dropna().iloc[0])
    return math.nan
