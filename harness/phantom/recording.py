"""A recording of whole cycles: its beats, its frames, and how the heart lies in the picture while patient and probe move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.phantom.rhythm import Beat, Kind, draw_beats, sample

Generator = np.random.Generator

BREATHS_HZ = (0.25, 0.04)
"""Mean and deviation: fifteen breaths a minute."""
_SWAYS_HZ = (0.15, 0.9)
"""A hand that holds a probe sways slowly; tremor is finer than a pixel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One view recorded over whole cycles.

    Attributes:
        rate_hz: frames per second. beats: from the first ED (time 0) on.
        phases, opening: [T], phase of the cycle and opening of the mitral valve in each frame.
        shifts: [T, 3], where the heart lies beside its place in frame 0: mm to the right, mm down, radians about the transducer.
    """

    rate_hz: float
    beats: tuple[Beat, ...]
    phases: NDArray[np.float64]
    opening: NDArray[np.float64]
    shifts: NDArray[np.float64]

    @property
    def ed_frames(self) -> list[int]:
        """Frame of the ED that each beat begins with, and of the one that the last beat ends with."""
        ends = [beat.start_s for beat in self.beats] + [self.beats[-1].start_s + self.beats[-1].length_s]
        return [min(round(end * self.rate_hz), len(self.phases) - 1) for end in ends]

    @property
    def es_frames(self) -> list[int]:
        """Frame of each beat's ES."""
        return [round((beat.start_s + beat.systole_s) * self.rate_hz) for beat in self.beats]

    @property
    def reach(self) -> tuple[float, float]:
        """The largest shift (mm) and turn (radians) of the recording."""
        return float(np.hypot(self.shifts[:, 0], self.shifts[:, 1]).max()), float(np.abs(self.shifts[:, 2]).max())


def draw_recording(
    rng: Generator,
    *,
    beats: int,
    systole_s: float,
    interval_s: float,
    early: float,
    kind: Kind,
    rate_hz: float,
    breathing_mm: float,
    probe_mm: float,
) -> Recording:
    """Draw the beats of one view and the motion of chest and probe meanwhile (see ``PhantomParameters``)."""
    drawn = draw_beats(rng, beats, systole_s, interval_s=interval_s, early=early, kind=kind)
    length_s = drawn[-1].start_s + drawn[-1].length_s
    # The last frame is the one nearest to the closing ED, so that each beat has both its ends.
    times = np.arange(round(length_s * rate_hz) + 1) / rate_hz
    phases, opening = sample(drawn, np.minimum(times, length_s))
    shifts = _breathing(rng, times, breathing_mm) + _sway(rng, times, probe_mm)
    # Frame 0 lies where the patient's half sequence lies: only what is relative to it moves.
    return Recording(rate_hz=rate_hz, beats=drawn, phases=phases, opening=opening, shifts=shifts - shifts[0])


def _breathing(rng: Generator, times: NDArray[np.float64], size_mm: float) -> NDArray[np.float64]:
    """Mostly along the depth, a little to the side and turning; expiration is longer than inspiration."""
    rate, start = float(np.clip(rng.normal(*BREATHS_HZ), 0.15, 0.4)), rng.uniform(0, 2 * np.pi)
    size = size_mm * float(rng.uniform(0.6, 1.4)) / 2
    angle = 2 * np.pi * rate * times + start
    wave = np.sin(angle + 0.35 * np.sin(angle))
    return size * wave[:, None] * np.array([0.35, 0.9, 0.006])


def _sway(rng: Generator, times: NDArray[np.float64], size_mm: float) -> NDArray[np.float64]:
    """Three slow waves per direction; about a degree of turn for each millimetre."""
    total = np.zeros((len(times), 3))
    for axis, unit in enumerate((1.0, 1.0, float(np.deg2rad(1.0)))):
        for rate, start, weight in zip(
            rng.uniform(*_SWAYS_HZ, 3), rng.uniform(0, 2 * np.pi, 3), rng.normal(0, 0.5, 3), strict=True
        ):
            total[:, axis] += size_mm * unit * weight * np.sin(2 * np.pi * rate * times + start)
    return total
