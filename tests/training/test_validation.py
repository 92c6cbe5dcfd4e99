"""The score that selects: missing values stay missing, patients count alike."""

from __future__ import annotations

import math

import pytest
import torch

from harness.training.validation import PatientDice, frame_dice, improves, patient_mean

NAN = float("nan")


def test_dice_of_two_overlapping_squares() -> None:
    p, g = torch.zeros(1, 8, 8, dtype=torch.long), torch.zeros(1, 8, 8, dtype=torch.long)
    p[0, :4, :4], g[0, 2:6, :4] = 1, 1
    assert frame_dice(p, g, 2).tolist() == [[0.5]]


def test_dice_is_missing_where_both_are_empty_and_zero_where_one_is() -> None:
    empty, full = torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2, dtype=torch.long)
    assert math.isnan(frame_dice(empty, empty, 2))
    assert frame_dice(full, empty, 2) == 0
    assert frame_dice(empty, full, 2) == 0


def test_a_patient_with_many_frames_counts_once() -> None:
    assert patient_mean([("a", 1.0), ("a", 1.0), ("a", 0.7), ("b", 0.1), ("b", NAN), ("c", NAN)]) == pytest.approx(0.5)
    assert math.isnan(patient_mean([("a", NAN)]))


def test_structures_are_reported_one_by_one() -> None:
    reference = torch.tensor([[[0, 1], [2, 2]]])
    logits = torch.nn.functional.one_hot(torch.tensor([[[0, 1], [2, 0]]]), 3).permute(0, 3, 1, 2).float()
    scores = PatientDice(("lv", "la"))
    scores.add(["p"], logits, reference)
    assert scores.compute() == pytest.approx({"lv": 1.0, "la": 2 / 3, "score": 5 / 6})


@pytest.mark.parametrize(
    ("score", "best", "expected"),
    [(0.1, None, True), (NAN, None, True), (0.1, NAN, True), (NAN, 0.1, False), (0.2, 0.1, True), (0.1, 0.1, False)],
)
def test_what_counts_as_an_improvement(score: float, best: float | None, expected: bool) -> None:
    assert improves(score, best) is expected
