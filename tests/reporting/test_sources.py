"""Every cell of every committed reference table is what its column's source says, computed again from the stored rows.

The oracles below are written with pandas, numpy and scipy alone; nothing of ``harness.results`` or ``harness.statistics``
is used. A table with a reduction that has no oracle fails.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.reporting.render.latex import to_latex
from harness.reporting.render.text import to_csv, to_markdown
from harness.reporting.tables.stored import read_table
from harness.reporting.tables.table import Column, Row, Table

ROOT = Path(__file__).resolve().parents[2]
TABLES = sorted((ROOT / "reports" / "reference").rglob("*.table.json"))
ELSEWHERE = {
    # Crossed tests and shares of variance have oracles of their own: tests/study/test_oracles.py, test_importance.py.
    *(f"effect {name}" for name in ("p", "p_adjusted", "verdict", "bootstrap_low", "bootstrap_high", "pairs")),
    *("variance", "fanova", "ped_anova", "value", "parameter", "run"),
    # What the crossed comparison says beyond the difference itself: tests/statistics/test_comparison.py.
    *("verdict", "detectable", "sign_flip_p", "worst_decile", "margin", "level", "non_inferior", "effect level"),
    # tests/reporting/test_subgroups.py
    *(f"subgroup {name}" for name in ("difference", "p", "p_adjusted", "patients", "few")),
    "rank",
    *(f"{name} of losses" for name in ("p", "p_adjusted", "verdict")),
}


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
            files = {"cases": "cases.csv", "profile": "profile.csv", "robustness": "robustness.csv.gz"}
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
        cases, costs = (pd.read_csv(self.store / f"{stem}.csv") for stem in ("cases", "costs"))
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


def _patients(run: dict[str, Any], metric: str, part: dict[str, str]) -> pd.Series:
    rows = run["cases"][(run["cases"]["metric"] == metric) & (run["cases"]["split"] == "test")]
    for key, value in part.items():
        rows = rows[rows[key] == value]
    return rows.fillna({"view": ""}).groupby(["patient", "view"])["value"].mean().groupby("patient").mean()


def scale(metric: str) -> float:
    return 100.0 if metric in ("dice", "iou", "failure", "flip_rate") else 1.0


def seed_table(stored: Stored, label: str, metric: str, **part: str) -> pd.DataFrame:
    runs = [run for run in stored.arms[label] if "cases" in run]
    return pd.concat([scale(metric) * patients(run, metric, **part) for run in runs], axis=1).dropna()


def ef(stored: Stored, label: str, column: Column, against: str) -> pd.DataFrame:
    assert column.source is not None
    truth = "ef_stated" if against == "stated" else column.source.column.replace("predicted", "reference")
    (run,) = stored.arms[label]
    both = {"predicted": patients(run, column.source.column), "truth": patients(run, truth)}
    return pd.DataFrame(both).dropna()


def ef_figure(stored: Stored, row: Row, column: Column, key: str, against: str) -> float:
    pairs = ef(stored, row.label, column, against)
    error = pairs["predicted"] - pairs["truth"]
    r = np.corrcoef(pairs["predicted"], pairs["truth"])[0, 1]
    figures = {
        "mae": error.abs().mean(), "rmse": math.sqrt((error**2).mean()), "r": r, "pearson_r_squared": r**2,
        "bias": error.mean(), "sd": error.std(), "lower_limit": error.mean() - 1.96 * error.std(),
        "upper_limit": error.mean() + 1.96 * error.std(), "patients": len(pairs),
        "implausible": ((pairs["predicted"] < 0) | (pairs["predicted"] > 90)).sum(),
    }  # fmt: skip
    return float(figures[key])


def differences(stored: Stored, row: Row) -> pd.Series:
    metrics = {"Dice [%]": "dice", "IoU [%]": "iou", "HD95 [mm]": "hd95_mm", "ASD [mm]": "asd_mm"}
    labels = (stored.reference, row.label)
    if row.group.startswith("EF MAE"):
        pair = [ef_error(stored, label) for label in labels]
    else:
        pair = [seed_table(stored, label, metrics[row.group], structure="lv").mean(axis=1) for label in labels]
    return (pair[0] - pair[1]).dropna()


def ef_error(stored: Stored, label: str) -> pd.Series:
    """Absolute error per patient; biplane where both views are there. The committed runs miss no EF."""
    (run,) = stored.arms[label]
    names = [m for m in run["cases"]["metric"].unique() if m.startswith("ef_") and m.endswith("_predicted")]
    name = "ef_biplane_predicted" if "ef_biplane_predicted" in names else names[0]
    return (patients(run, name) - patients(run, name.replace("predicted", "reference"))).abs()


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


def answered(run: dict[str, Any], measure: str) -> pd.DataFrame:
    """The stored sweep of a run; an EF that could not be computed is wrong by as much as an EF can be."""
    table: pd.DataFrame = run["robustness"]
    if measure != "ef_error" or "cases" not in run or not table[measure].notna().any():
        return table
    methods = [m for m in ("biplane", "single_4ch") if f"ef_{m}_predicted" in set(run["cases"]["metric"])]
    truth = table["patient"].map(patients(run, f"ef_{methods[0]}_reference"))
    return table.assign(ef_error=table["ef_error"].fillna(np.maximum(truth, 100 - truth).round(4)))


class Swept:
    """A sweep's values [patients, conditions] of one arm and measure."""

    def __init__(self, stored: Stored, label: str, measure: str) -> None:
        tables = [
            answered(run, measure)
            .set_index(["patient", "perturbation", "severity"])[measure]
            .unstack(["perturbation", "severity"])
            for run in stored.arms[label]
        ]
        self.wide = sum(tables[1:], tables[0]) / len(tables)
        self.names = sorted({name for name, _ in self.wide.columns} - {"clean"})
        self.clean = self.wide["clean", 0]

    def of(self, name: str) -> pd.DataFrame:
        return self.wide[[(name, severity) for severity in range(1, 6)]]

    @property
    def perturbed(self) -> pd.DataFrame:
        return self.wide[[(name, severity) for name in self.names for severity in range(1, 6)]]

    def area(self, name: str) -> pd.Series:
        curve = pd.concat([self.clean, self.of(name)], axis=1).to_numpy()
        return pd.Series((curve[:, 0] / 2 + curve[:, 1:-1].sum(axis=1) + curve[:, -1] / 2) / 5, self.wide.index)

    def lost(self, name: str) -> float:
        return float((self.clean - self.of(name).mean(axis=1, skipna=False)).mean())


@functools.cache
def swept_of(stored: Stored, label: str, measure: str) -> Swept:
    return Swept(stored, label, measure)


def sweep_figure(stored: Stored, table: Table, row: Row, column: Column) -> float | str:
    assert column.source is not None
    measure, reduction = column.source.column, column.source.reduction
    perturbation = (row.group if reduction != "drop of the perturbation" else row.label).replace(" ", "_")
    label = column.key if reduction == "drop of the perturbation" else row.label
    if measure == "patient":
        swept = swept_of(stored, label, "dice")
        return float(swept.perturbed.notna().all(axis=1).sum())
    swept = swept_of(stored, label, measure)
    if reduction == "worst perturbation":
        losses = {name: swept.lost(name) for name in swept.names}
        worst = max(losses, key=lambda name: losses[name])
        return f"{worst.replace('_', ' ')} (−{losses[worst]:.1f})"
    if reduction == "relative performance":
        both = pd.concat([swept.perturbed.mean(axis=1, skipna=False), swept.clean], axis=1).dropna()
        return float(100 * both.iloc[:, 0].mean() / both.iloc[:, 1].mean())
    if reduction == "relative drop":
        mean = [
            np.mean([arm.lost(n) for n in arm.names]) for arm in (swept, swept_of(stored, stored.reference, measure))
        ]
        return float(100 * mean[0] / mean[1]) if mean[1] > 1 else math.nan
    simple: dict[str, Callable[[], pd.Series]] = {
        "clean": lambda: swept.clean,
        "mean of conditions": lambda: swept.perturbed.mean(axis=1, skipna=False),
        "available mean of conditions": lambda: swept.perturbed.mean(axis=1),
        "drop": lambda: swept.clean - swept.perturbed.mean(axis=1, skipna=False),
        "area": lambda: pd.concat([swept.area(name) for name in swept.names], axis=1).mean(axis=1, skipna=False),
        "severity": lambda: swept.wide[perturbation, int(column.key[-1])],
        "mean of the perturbation": lambda: swept.of(perturbation).mean(axis=1, skipna=False),
        "area of the perturbation": lambda: swept.area(perturbation),
        "drop of the perturbation": lambda: swept.clean - swept.of(perturbation).mean(axis=1, skipna=False),
    }
    return float(simple[reduction]().mean())


def at_severity(stored: Stored, row: Row, label: str) -> pd.Series:
    condition = (row.label.replace(" ", "_"), int(row.group[-1]))
    pair = [swept_of(stored, arm, "dice").wide[condition] for arm in (stored.reference, label)]
    return (pair[0] - pair[1]).dropna()


def losses(stored: Stored, row: Row) -> pd.Series:
    """Of the proposed model minus the other: Dice lost, or Dice under perturbation, per patient."""
    arms = [swept_of(stored, label, "dice") for label in (stored.reference, row.label)]
    perturbed = [arm.perturbed.mean(axis=1, skipna=False) for arm in arms]
    pair = [arm.clean - mean for arm, mean in zip(arms, perturbed, strict=True)]
    pair = pair if row.group.startswith("Loss") else perturbed
    return (pair[0] - pair[1]).dropna()


def gain(stored: Stored, row: Row, key: str) -> float:
    names = {"Dice": "dice", "Failures": "failure", "EF error": "ef_error", "HD95": "hd95_mm", "Flicker": "flip_rate"}
    measure, model = names[row.group.split(" [")[0]], row.label.split(",")[0]
    seen = stored.arms[f"{model} (augmented)"][0]["seen"]
    plain, augmented = (swept_of(stored, label, measure).wide for label in (model, f"{model} (augmented)"))
    kind = row.label.split(", ")[1]
    columns = [
        (name, severity)
        for name, severity in plain.columns
        if (name == "clean") == (kind == "clean images")
        and (name == "clean" or (name in seen) == ("unseen" not in kind))
    ]
    both = plain[columns].notna() & augmented[columns].notna()
    # The stored values have four decimals, and so has a patient's mean of them.
    means = [wide[columns].where(both).mean(axis=1).dropna().round(4) for wide in (plain, augmented)]
    return float({"plain": means[0], "augmented": means[1], "gain": means[1] - means[0]}[key].mean())


def expected(stored: Stored, table: Table, row: Row, column: Column) -> float | str | None:
    """What a cell must hold; None where another test has the oracle."""
    assert column.source is not None, f"{table.name}: the column {column.key} has no source"
    source, label = column.source, row.label
    name, reduction = source.column, source.reduction
    if (
        reduction in ELSEWHERE
        or reduction.startswith("adjusted p at")
        or (source.format == "patients" and reduction == "p")
    ):
        return None
    structure = {"structure": table.name.removeprefix("parts_") if table.name.startswith("parts_") else "lv"}
    match source.format, reduction:
        case "cases", "patient mean":
            return float(seed_table(stored, label, name, **structure, **group_part(row.group)).mean(axis=1).mean())
        case "cases", "patients with every value":
            metrics = ("dice", "iou", "hd95_mm", "asd_mm")
            part = structure | group_part(row.group)
            return float(max(len(seed_table(stored, label, metric, **part)) for metric in metrics))
        case "cases", "patients of the column":
            if name.startswith("ef_"):
                return None  # tests/reporting/test_main_table.py
            return float(len(seed_table(stored, label, name, **structure, **group_part(row.group))))
        case "cases", ("EF MAE" | "EF r" | "stated EF MAE" | "stated EF r"):
            against = "stated" if reduction.startswith("stated") or "stated" in row.group else "reference"
            return ef_figure(stored, row, column, reduction.split()[-1].lower(), against)
        case "cases", _ if reduction.startswith("EF "):
            return ef_figure(stored, row, column, column.key, "stated" if "stated" in row.group else "reference")
        case "cases", ("shift" | "difference" | "median" | "patients"):
            values = differences(stored, row)
            return float(
                {"shift": walsh, "difference": np.mean, "median": np.median, "patients": len}[reduction](values)
            )
        case "cases", "trainings":
            return " v ".join(str(len(stored.arms[arm])) for arm in (stored.reference, label))
        case "cases", "patients below half with exact limits":
            dice = seed_table(stored, label, name, structure="lv")
            return float(100 * (dice < 50).to_numpy().mean())
        case "cases", ("effect effect" | "effect patients" | "effect seeds"):
            if not row.group.startswith("full model"):
                return None  # main effects and interactions: tests/study/test_oracles.py
            pair = [seed_table(stored, arm, name, structure="lv") for arm in (stored.reference, label)]
            figures = {"effect": (pair[0] - pair[1].to_numpy()).mean().mean(), "patients": len(pair[0])}
            return float({**figures, "seeds": pair[0].shape[1]}[column.key])
        case "profile", "median over seeds":
            return headline(stored, label, name) / (1e6 if name == "parameters" else 1)
        case "profile", "first clip":
            return clip_time(stored, label)
        case "patients", "difference at the severity":
            return float(at_severity(stored, row, column.key).mean())
        case "patients", ("difference of losses" | "n of losses"):
            values = losses(stored, row)
            return float(values.mean()) if reduction.startswith("difference") else float(len(values))
        case "patients", ("plain" | "augmented" | "gain"):
            return gain(stored, row, reduction)
        case "patients", _:
            return sweep_figure(stored, table, row, column)
        case "record", "finished runs":
            return float(sum(run["record"]["status"] == "finished" for run in stored.arms[label]))
        case "record", "as recorded":
            return str(stored.arms[label][0]["record"]["spec"]["protocol"]["first_frame"])
        case "record", "mean over seeds":
            return float(np.mean([run["record"]["results"]["validation_dice"] for run in stored.arms[label]]))
        case "record", "perturbations seen":
            swept = swept_of(stored, label, "dice").names
            seen = len(stored.arms[label][0]["seen"] & set(swept))
            return "none" if not seen else "all" if seen == len(swept) else f"{seen} of {len(swept)}"
        case "record", "seen or unseen":
            return "seen" if row.group.replace(" ", "_") in stored.arms[label][0]["seen"] else "unseen"
        case "archive", "as designed":
            level = stored.arms[label][0]["levels"][column.key]
            return {"on": "✓", "off": "×", "moot": "·"}.get(level, level)
    raise AssertionError(f"no oracle for {source}")


@functools.cache
def stored_of(folder: Path) -> Stored:
    return Stored(folder)


def identity(path: Path) -> str:
    return path.relative_to(ROOT / "reports" / "reference").as_posix()


def test_every_reference_report_keeps_its_tables_as_data() -> None:
    assert len(TABLES) > 40


@pytest.mark.parametrize("path", TABLES, ids=identity)
def test_what_is_printed_is_what_the_table_holds(path: Path) -> None:
    table = read_table(path)
    for suffix, render in ((".md", to_markdown), (".csv", to_csv), (".tex", to_latex)):
        assert (path.parent / f"{table.name}{suffix}").read_text() == render(table)


@pytest.mark.parametrize("path", [p for p in TABLES if not p.name.startswith("published_")], ids=identity)
def test_every_cell_is_what_its_column_says(path: Path) -> None:
    table, stored = read_table(path), stored_of(path.parent)
    checked = 0
    for row, column in itertools.product(table.rows, table.columns):
        wanted = expected(stored, table, row, column)
        cell, where = row.cell(column.key), f"{row.group}, {row.label}, {column.key}"
        if wanted is None:
            continue
        checked += 1
        if column.text:
            assert cell.text == wanted, where
        else:
            assert cell.value == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), where
    assert checked or table.name in ("importance", "ranks", "subgroups")


@pytest.mark.parametrize("path", [p for p in TABLES if p.name.startswith("published_")], ids=identity)
def test_published_cells_are_those_of_their_file(path: Path) -> None:
    table = read_table(path)
    file = ROOT / "harness" / "configs" / "published" / f"{table.name.removeprefix('published_')}.csv"
    printed = pd.read_csv(file, comment="#", dtype=str, keep_default_na=False, index_col=False)
    for (_, line), row in zip(printed.iterrows(), table.rows, strict=True):
        for column in table.columns:
            assert column.source is not None
            assert row.cell(column.key).text == line[column.source.column]
