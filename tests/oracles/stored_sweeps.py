"""What the stored sweeps of a committed report say: curves over severities, losses, gains; see ``stored_rows``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from stored_rows import Stored, patients

from harness.reporting.tables.table import Column, Row, Table


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
        change = f"{-losses[worst]:+.1f}".replace("-", "−")
        return f"{worst.replace('_', ' ')} ({'0.0' if change[1:] == '0.0' else change})"
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
