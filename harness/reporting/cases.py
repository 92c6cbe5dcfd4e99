"""Single cases: which ones to show, and the pixels that show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.statistics.patients import select


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseScore:
    """One case of one model: its mean Dice over labelled frames, in percent, and the frame that scores worst."""

    patient: str
    view: str
    dice: float
    frame: int
    phase: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePicture:
    """The pixels of one case and what one model made of them.

    Attributes:
        label: the model's name in tables.
        role: ``best``, ``median``, ``worst`` or empty.
        patient, view, phase: which case; ``phase`` of the shown frame.
        dice: in percent; of the whole case.
        frames: uint8 [T, H, W], grey levels.
        reference: integers [T, H, W]; frames without a reference are all zero.
        predicted: integers [T, H, W].
        frame: index of the frame that still pictures show.
        spacing_mm: (row, column) or None.
    """

    label: str
    patient: str
    view: str
    dice: float
    frames: NDArray[np.uint8]
    reference: NDArray[np.integer]
    predicted: NDArray[np.integer]
    frame: int = 0
    phase: str = ""
    role: str = ""
    spacing_mm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse pixels that do not belong together."""
        shapes = {self.frames.shape, self.reference.shape, self.predicted.shape}
        if len(shapes) > 1 or self.frames.ndim != 3:
            raise ValueError(f"frames, reference and predicted must share a shape [T, H, W], got {sorted(shapes)}")

    @property
    def shown(self) -> tuple[NDArray[np.uint8], NDArray[np.integer], NDArray[np.integer]]:
        """Frame, reference and prediction [H, W] of the shown frame."""
        return self.frames[self.frame], self.reference[self.frame], self.predicted[self.frame]

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width; 1 where the spacing is unknown."""
        return self.spacing_mm[0] / self.spacing_mm[1] if self.spacing_mm else 1.0

    @property
    def title(self) -> str:
        """Role, patient, view, phase and Dice in one line."""
        role = f"{self.role}: " if self.role else ""
        return f"{self.label}, {role}{self.patient} {self.view} {self.phase}".strip() + f"\nDice {self.dice:.1f} %"


def case_scores(rows: pd.DataFrame, structure: str = "lv") -> list[CaseScore]:
    """Every case (patient and view) of one run's test rows, worst first; cases without any defined Dice are left out."""
    dice = select(rows[rows["split"] == "test"], "dice", structure=structure).dropna(subset=["value"])
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
