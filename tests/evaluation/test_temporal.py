"""Sequences are judged by how their area moves and how neighbouring frames agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.evaluation.temporal import (
    area_curve,
    area_jitter_percent,
    frame_to_frame_dice,
    mean_or_nan,
    phase_timing_errors,
)


def test_area_is_counted_in_squared_units():
    masks = np.zeros((2, 4, 5))
    masks[1, :2, :3] = 1
    assert area_curve(masks, (0.5, 2.0)).tolist() == [0, 6]


def test_a_straight_area_curve_has_no_jitter_and_a_zigzag_has_its_height():
    assert area_jitter_percent([10, 8, 6, 4]) == pytest.approx(0)
    assert area_jitter_percent([9, 11, 9, 11]) == pytest.approx(100 * 4 / 10)
    assert area_jitter_percent([90, 110, 90, 110]) == area_jitter_percent([9, 11, 9, 11]), "independent of scale"


@pytest.mark.parametrize("areas", [[1, 2], [0, 0, 0], []])
def test_jitter_is_missing_where_it_cannot_be_computed(areas):
    assert math.isnan(area_jitter_percent(areas))


def test_neighbouring_frames_are_compared_in_turn():
    masks = np.zeros((3, 2, 2))
    masks[0, 0, :], masks[1, :, 0], masks[2, :, 0] = 1, 1, 1
    assert frame_to_frame_dice(masks).tolist() == [0.5, 1.0]
    assert mean_or_nan(frame_to_frame_dice(np.zeros((3, 2, 2)))) != mean_or_nan([1.0])
    assert math.isnan(mean_or_nan(frame_to_frame_dice(np.zeros((3, 2, 2)))))


def test_phases_are_the_extremes_of_the_area_in_source_frames():
    assert phase_timing_errors([5, 9, 7, 2, 3], [0, 3, 6, 9, 12], ed=0, es=12) == (3, -3)
    with pytest.raises(ValueError, match="equally long"):
        phase_timing_errors([], [], 0, 1)
