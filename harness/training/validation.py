"""The score that selects the best checkpoint: Dice at model resolution, mean over patients."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


@torch.no_grad()
def frame_dice(predicted: Tensor, reference: Tensor, classes: int) -> Tensor:
    """Dice per frame and structure: label maps [M, H, W] → float64 [M, classes - 1]; NaN where both are empty."""
    scores = []
    for label in range(1, classes):
        p, g = predicted == label, reference == label
        both, total = (p & g).sum((1, 2)), p.sum((1, 2)) + g.sum((1, 2))
        # 0 / 0 is NaN: a structure that is absent and not predicted says nothing, and must not count as 0 or 1.
        scores.append(2 * both.double() / total.double())
    return torch.stack(scores, 1)


def patient_mean(records: Iterable[tuple[str, float]]) -> float:
    """Mean over patients of the mean over each patient's values; NaN values are left out, NaN if none is left."""
    by_patient: dict[str, list[float]] = defaultdict(list)
    for patient, value in records:
        if not math.isnan(value):
            # Patients, not frames, are the unit: one with many labelled frames must not weigh more.
            by_patient[patient].append(value)
    return float(np.mean([np.mean(values) for values in by_patient.values()])) if by_patient else float("nan")


class PatientDice:
    """Collects frames case by case; ``compute`` gives the score and one value per structure."""

    def __init__(self, structures: tuple[str, ...]) -> None:
        self.structures = structures
        self.records: list[tuple[str, str, float]] = []

    def add(self, patients: list[str], logits: Tensor, masks: Tensor) -> None:
        """Add M labelled frames: their patients, logits [M, K+1, H, W] and reference masks [M, H, W]."""
        scores = frame_dice(logits.argmax(1), masks, len(self.structures) + 1).cpu().tolist()
        for patient, row in zip(patients, scores, strict=True):
            self.records += [(patient, name, value) for name, value in zip(self.structures, row, strict=True)]

    def compute(self) -> dict[str, float]:
        """``score`` (over all structures) and one mean per structure's name."""
        means = {
            name: patient_mean((patient, value) for patient, label, value in self.records if label == name)
            for name in self.structures
        }
        return {"score": patient_mean((patient, value) for patient, _, value in self.records), **means}


def improves(score: float, best: float | None) -> bool:
    """True if ``score`` beats ``best``: the first of equals stays, a number beats NaN, anything beats None."""
    if best is None:
        return True
    # The first of equals stays: a resumed run, which meets the same score again, must not choose another file.
    return not math.isnan(score) and (math.isnan(best) or score > best)
