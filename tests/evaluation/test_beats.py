"""Beats of an area curve: where they begin and end, and what is no beat."""

from __future__ import annotations

import numpy as np
import pytest

from harness.evaluation.beats import find_beats

CURVE = 30 + 10 * np.cos(2 * np.pi * np.arange(51) / 20)
"""Two and a half beats of 20 frames; ED at 0, 20, 40."""


def ends(areas, rate=None):
    return [(beat.ed, beat.es) for beat in find_beats(areas, rate)]


@pytest.mark.parametrize(
    ("areas", "beats"),
    [
        (CURVE, [(0, 10), (20, 30), (40, 50)]),
        (CURVE[:11], [(0, 10)]),  # a half sequence of CAMUS
        (CURVE[10:21], [(10, 0)]),  # the other half of a beat
        (CURVE[5:36], [(15, 25)]),  # begins and stops within a beat
        (np.linspace(40, 20, 10), [(0, 9)]),
        ([40.0, 20.0], [(0, 1)]),
        ([0, 40, 0, 20, 0], [(1, 3)]),
        ([3.0, 3.0], []),
        ([0.0, 0.0], []),
        ([0.0, 7.0, 0.0], []),
    ],
)
def test_beats_of_drawn_curves(areas, beats):
    assert ends(areas) == beats


def test_a_bad_frame_moves_no_beat():
    bad = CURVE.copy()
    bad[[12, 25, 3]] = 0, 4, 90
    assert np.abs(np.subtract(ends(bad), [(0, 10), (20, 30), (40, 50)])).max() <= 1


def test_noise_does_not_split_a_beat_and_a_frame_rate_parts_what_is_too_close():
    noisy = CURVE + np.random.default_rng(3).normal(0, 1.2, len(CURVE))
    assert np.abs(np.subtract(ends(noisy, 25), [(0, 10), (20, 30), (40, 50)])).max() <= 2
    assert len(ends(CURVE, 25)) == 3
    assert len(ends(CURVE, 100)) == 2, "20 frames at 100 Hz are 300 beats a minute"
