"""Clip refuses arrays that are not what it says."""

from __future__ import annotations

import numpy as np
import pytest

from harness.clip import Case, Clip


def clip(**changes) -> Clip:
    values = {
        "case": Case(dataset="d", split="test", patient="patient0001", view="4CH"),
        "frames": np.zeros((3, 4, 5), np.uint8),
        "masks": np.zeros((3, 4, 5), np.uint8),
        "labelled": np.array([True, False, True]),
        "interpolated": np.array([False, True, False]),
        "spacing_mm": (0.3, 0.3),
        "ed": 2,
        "es": 0,
    }
    return Clip(**{**values, **changes})


def test_phases_follow_ed_and_es_whatever_their_order():
    assert [clip().phase(frame) for frame in range(3)] == ["ES", "", "ED"]
    assert clip().case.name == "patient0001_4CH"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frames", np.zeros((3, 4, 5), np.float32)),
        ("frames", np.zeros((4, 5), np.uint8)),
        ("masks", np.zeros((2, 4, 5), np.uint8)),
        ("labelled", np.ones(2, bool)),
        ("interpolated", np.ones(3, np.uint8)),
    ],
)
def test_a_wrong_shape_or_type_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        clip(**{name: value})
