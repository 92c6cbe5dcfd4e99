"""Sequences are judged by how their area moves and how neighbouring frames agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.evaluation.casework import CaseWork, temporal_rows
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


def beating(es: int, lift: int) -> CaseWork:
    """Three beats of 20 frames; the prediction's smallest areas come at ``es`` of each beat, the last beat is ``lift`` rows larger."""
    t = np.arange(61) % 20
    rows = np.where(t <= es, 30 - 14 * t / es, 16 + 14 * (t - es) / (20 - es)).round().astype(int)
    rows[40:] += lift
    masks = (np.arange(40)[None, :, None] < rows[:, None, None]) & np.ones((1, 1, 24), bool)
    return CaseWork(
        key={"view": "4CH"}, classes=("lv",), frames=np.arange(61), phases=("ED", *["labelled"] * 60), scored=np.ones(61, bool),
        predicted=masks.astype(np.uint8), reference=masks.astype(np.uint8), spacing_mm=(1.0, 1.0), ed=0, es=8, functions=(),
        temporal=True, frame_rate_hz=25.0,
    )  # fmt: skip


def test_of_several_beats_the_nearest_end_is_meant_and_not_the_extreme_of_the_clip() -> None:
    values = {row["metric"]: row["value"] for row in temporal_rows(beating(es=8, lift=4))}
    assert abs(values["ed_timing_error_frames"]) <= 1, "the largest area of all is the third beat's"
    assert abs(values["es_timing_error_frames"]) <= 1
    late = {row["metric"]: row["value"] for row in temporal_rows(beating(es=12, lift=0))}
    assert late["es_timing_error_frames"] == pytest.approx(4, abs=1)
    assert late["es_timing_error_ms"] == late["es_timing_error_frames"] * 40
