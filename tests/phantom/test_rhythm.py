"""The law of a beat, its named phases, the beats of a recording, and motion of chest and probe."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.phantom.pose import Pose
from harness.phantom.recording import draw_recording
from harness.phantom.rhythm import EARLY_S, KICK_S, RELAXATION_S, Beat, Kind, draw_beats, sample

BEAT = Beat(start_s=0.0, systole_s=0.31, length_s=0.95, early=0.7)


def drawn(kind: Kind, count: int = 6, seed: int = 0) -> tuple[Beat, ...]:
    return draw_beats(np.random.default_rng(seed), count, 0.31, interval_s=0.9, early=0.7, kind=kind)


def test_a_beat_empties_stands_still_fills_rests_and_is_filled_up_by_the_atria() -> None:
    """Phase per stretch of the cycle: how much of the stroke volume moves in each, in the order of physiology."""
    es, end = BEAT.systole_s, BEAT.length_s
    moments = [0, es, es + RELAXATION_S, es + RELAXATION_S + EARLY_S, end - KICK_S, end]
    moved = np.diff(BEAT.phase(moments))
    assert moved == pytest.approx([1, 0, -0.7, 0, -0.3], abs=1e-9)


def test_the_valve_is_shut_while_the_ventricle_empties_and_opens_twice() -> None:
    times = np.linspace(0, BEAT.length_s, 500)
    opening = BEAT.opening(times)
    assert opening[times < BEAT.systole_s + RELAXATION_S - 0.01].max() == 0
    peaks = (opening[1:-1] > opening[:-2]) & (opening[1:-1] >= opening[2:])
    assert peaks.sum() == 2
    assert opening[-1] == 0
    fast = Beat(start_s=0, systole_s=0.31, length_s=0.55)
    assert 0 <= fast.opening(times).min() <= fast.opening(times).max() <= 1


def test_the_first_beat_is_the_patients_regular_one_and_the_same_numbers_give_the_same_beats() -> None:
    kinds: tuple[Kind, ...] = ("sinus", "fibrillation", "extrasystole")
    for kind in kinds:
        beats = drawn(kind)
        assert beats == drawn(kind)
        assert (beats[0].start, beats[0].depth, beats[0].systole_s) == (0, 1, 0.31)
        for before, after in itertools.pairwise(beats):
            assert after.start_s == pytest.approx(before.start_s + before.length_s)
            assert after.start == pytest.approx(float(before.phase(before.length_s)))


def test_lengths_vary_by_a_few_percent_in_sinus_rhythm_and_by_a_fifth_in_fibrillation() -> None:
    spreads = {}
    for kind in ("sinus", "fibrillation"):
        lengths = np.array([beat.length_s for beat in drawn(kind, count=200)])  # type: ignore[arg-type]
        spreads[kind] = float(lengths.std() / lengths.mean())
    assert spreads["sinus"] == pytest.approx(0.04, abs=0.01)
    assert spreads["fibrillation"] == pytest.approx(0.21, abs=0.04)


def test_in_fibrillation_no_beat_has_a_kick_and_a_long_interval_makes_the_next_beat_strong() -> None:
    beats = drawn("fibrillation", count=200)
    assert not any(beat.kick for beat in beats)
    change = np.diff([beat.length_s for beat in beats])[:-1]
    assert np.corrcoef(change, [beat.depth for beat in beats[2:]])[0, 1] > 0.8


def test_a_beat_that_is_cut_short_leaves_the_next_less_full() -> None:
    full, short = (Beat(start_s=0, systole_s=0.31, length_s=length, kick=False) for length in (0.9, 0.53))
    assert float(full.phase(0.9)) == 0
    assert 0.1 < float(short.phase(0.53)) < 0.9


def test_an_extrasystole_comes_early_is_weak_and_is_followed_by_a_pause_and_a_strong_beat() -> None:
    beats = draw_beats(np.random.default_rng(3), 5, 0.31, interval_s=0.9, early=0.7, kind="extrasystole")
    weak = int(np.argmin([beat.depth for beat in beats]))
    assert beats[weak].depth < 0.76
    assert not beats[weak - 1].kick
    assert beats[weak - 1].length_s < 0.7 * 0.9
    assert beats[weak - 1].length_s + beats[weak].length_s == pytest.approx(1.8)
    assert weak == 4 or beats[weak + 1].depth == 1.04


def test_the_phase_has_no_jump_between_beats() -> None:
    beats = drawn("fibrillation")
    times = np.arange(0, beats[-1].start_s + beats[-1].length_s, 0.002)
    assert np.abs(np.diff(sample(beats, times)[0])).max() < 0.02


@pytest.mark.parametrize("rate_hz", [25.0, 80.0])
def test_frames_of_the_ends_are_where_the_phase_is_extreme_at_any_rate(rate_hz: float) -> None:
    made = draw_recording(
        np.random.default_rng(1), beats=3, systole_s=0.31, interval_s=0.9, early=0.7, kind="sinus", rate_hz=rate_hz,
        breathing_mm=0.0, probe_mm=0.0,
    )  # fmt: skip
    assert len(made.ed_frames) == len(made.es_frames) + 1 == 4
    assert made.ed_frames[-1] == len(made.phases) - 1
    assert not made.shifts.any()
    assert np.abs(made.phases[made.ed_frames]).max() < 0.1
    for start, es, stop in zip(made.ed_frames, made.es_frames, made.ed_frames[1:], strict=False):
        # A plateau follows ES while the volume stands still: the frame with the largest phase may be one of it.
        assert made.phases[start:stop].max() - made.phases[es] < 0.02


def test_breath_and_hand_move_the_heart_by_what_is_asked_and_not_in_the_first_frame() -> None:
    moved = {}
    for name, breathing, probe in (("breath", 3.0, 0.0), ("hand", 0.0, 1.0)):
        made = draw_recording(
            np.random.default_rng(2), beats=6, systole_s=0.31, interval_s=0.9, early=0.7, kind="sinus", rate_hz=30.0,
            breathing_mm=breathing, probe_mm=probe,
        )  # fmt: skip
        assert not made.shifts[0].any()
        moved[name] = np.ptp(made.shifts, axis=0)
    assert 1.5 < moved["breath"][1] < 4.5
    assert moved["breath"][0] < moved["breath"][1]
    assert 0.3 < np.hypot(*moved["hand"][:2]) < 8
    assert np.rad2deg(moved["hand"][2]) < 6


def test_a_moved_pose_turns_about_the_transducer_and_then_shifts() -> None:
    pose = Pose(apex_x=4.0, apex_y=30.0, tilt=0.1, shear=0.05, bend=1.0, length=80.0)
    z, u = np.float32([0, 40, 80]), np.float32([3, -20, 10])
    x, y = pose.to_image(z, u)
    turned_x, turned_y = pose.moved(2.0, -1.0, 0.05).to_image(z, u)
    sine, cosine = np.sin(0.05), np.cos(0.05)
    np.testing.assert_allclose(turned_x, x * cosine + y * sine + 2, atol=1e-3)
    np.testing.assert_allclose(turned_y, y * cosine - x * sine - 1, atol=1e-3)
