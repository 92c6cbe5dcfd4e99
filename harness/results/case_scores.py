"""Scores of single cases, and which ones are worth showing."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from harness.results.frames import at_ends
from harness.statistics.patients import select


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseScore:
    """One case of one model: its mean Dice over ED and ES, in percent, and the frame that scores worst."""

    patient: str
    view: str
    dice: float
    frame: int
    phase: str


def case_scores(rows: pd.DataFrame, structure: str = "lv") -> list[CaseScore]:
    """Every case (patient and view) of one run's test rows, worst first; cases without any defined Dice are left out."""
    dice = select(at_ends(rows[rows["split"] == "test"]), "dice", structure=structure).dropna(subset=["value"])
    order = dice.sort_values(["patient", "view", "value"], kind="stable")
    worst = order.drop_duplicates(["patient", "view"])  # the first row of each case is its worst frame
    means = order.groupby(["patient", "view"], sort=True)["value"].mean()
    found = [
        CaseScore(patient=str(p), view=str(v), dice=100 * float(mean), frame=int(frame), phase=str(phase))
        for p, v, frame, phase, mean in zip(
            worst["patient"], worst["view"], worst["frame"], worst["phase"], means, strict=True
        )
    ]
    return sorted(found, key=lambda case: case.dice)


def notable_cases(rows: pd.DataFrame, structure: str = "lv") -> dict[str, CaseScore]:
    """The ``best``, ``median`` (lower one of two) and ``worst`` case of one run; empty when there is none."""
    ordered = case_scores(rows, structure)
    if not ordered:
        return {}
    return {"best": ordered[-1], "median": ordered[(len(ordered) - 1) // 2], "worst": ordered[0]}
