"""When the frames of a cine clip are: how many, at what rate, and how far the heart is at each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from harness.phantom.cine.outlines import Array

FRAMES = (13, 24)
"""Fewest and most frames: systoles of 230 to 407 ms at 48 to 63 Hz, the 5 and 95 percentiles of CAMUS's half sequences."""

_RATE_HZ = (48.0, 53.0, 63.0)
_SYSTOLE_MS = (230.0, 314.0, 407.0)


@dataclass(frozen=True, slots=True)
class Timing:
    """``frames`` of a half beat from ED to ES at ``rate_hz``."""

    frames: int
    rate_hz: float

    def phases(self) -> Array:
        """[T]: 0 at ED, 1 at ES, by the law sin^2(pi/2 tau^1.15) that the phantom's half sequences follow too.

        >>> Timing(13, 50.0).phases().round(2).tolist()[:4]
        [0.0, 0.01, 0.04, 0.1]
        """
        return half_beat(self.frames)

    def blend(self) -> Array:
        """[T]: share of the ES still in the picture, linear in time and not in the phase, so that no frame is mostly a still."""
        return np.linspace(0, 1, self.frames)


def half_beat(frames: int) -> Array:
    """[T] phases of a half beat from 0 (ED) to 1 (ES)."""
    phases = np.sin(np.pi / 2 * np.linspace(0, 1, frames) ** 1.15) ** 2
    phases[-1] = 1.0  # sin of pi/2 is 1 to the last bit on most machines only, and the last frame is the still itself
    return phases


def draw_timing(name: str, rate_hz: float | None = None) -> Timing:
    """The timing of one case, drawn from its name alone: another seed then changes the pictures and no mask.

    Args:
        name: name of the case.
        rate_hz: frame rate that the data set states, else one is drawn from CAMUS's.

    >>> draw_timing("patient0001_4CH") == draw_timing("patient0001_4CH")
    True
    """
    rng = generator("timing", name)
    drawn = float(np.clip(rng.normal(_RATE_HZ[1], 4.5), _RATE_HZ[0], _RATE_HZ[2]))
    systole = float(np.clip(_SYSTOLE_MS[1] * np.exp(rng.normal(0, 0.17)), _SYSTOLE_MS[0], _SYSTOLE_MS[2])) / 1000
    rate = rate_hz or round(drawn, 1)
    return Timing(int(np.clip(round(rate * systole) + 1, *FRAMES)), rate)


def generator(*words: object) -> np.random.Generator:
    """Random numbers that are a function of the words alone: workers, order and platform hashing do not matter."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
