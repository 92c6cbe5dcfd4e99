"""The rhythm of a heart: when each beat begins, how it fills and how far it empties.

A beat runs from end-diastole to the next. Its phase (0 = ED, 1 = ES of the patient's regular beat) falls in systole and comes back in
four steps: isovolumetric relaxation (the volume stands still), early filling, diastasis and the atrial kick.

Sources: Chung, Shmuylovich and Kovács, *What global diastolic function is, what it is not, and how to measure it*, Am J Physiol Heart
Circ Physiol 309 (2015) for the phases of diastole; Kuo et al., Am J Cardiol 59 (1987), for the atrial share, which grows with age;
Weissler, Harris and Schoenfeld, Circulation 37 (1968), for the ejection time over heart rate; Tabata et al., Am J Physiol Heart Circ
Physiol 281 (2001), for the strength of a beat in atrial fibrillation, which rises with the interval before it over the one before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Generator = np.random.Generator
Kind = Literal["sinus", "fibrillation", "extrasystole"]
Curve = NDArray[np.float64]

RELAXATION_S = 0.07
EARLY_S = 0.18
KICK_S = 0.12
_FAST_EARLY_S = 0.24
"""Early filling without a kick to follow it: the whole volume comes in with the one wave."""
EJECTION_S_PER_BPM = 0.0016
_SHORTEST_DIASTOLE_S = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """One beat.

    Attributes:
        start_s: time of its ED. systole_s: from there to ES. length_s: to the ED of the next beat (RR interval).
        start, depth: phase at its ED and ES; a beat that is not full when it begins starts above 0, a weak one stays below 1.
        early: share of the filling that comes with the early wave, if ``kick`` is true; else all does.
    """

    start_s: float
    systole_s: float
    length_s: float
    start: float = 0.0
    depth: float = 1.0
    early: float = 0.7
    kick: bool = True

    @property
    def diastole_s(self) -> float:
        """From ES to the next ED."""
        return self.length_s - self.systole_s

    def phase(self, seconds: ArrayLike) -> Curve:
        """Phase at times since the beat's ED, each within 0..``length_s``."""
        t = np.asarray(seconds, np.float64)
        # The half sequence's own law: slow at both ends, as a ventricle is.
        falling = np.sin(np.pi / 2 * np.clip(t / self.systole_s, 0, 1) ** 1.15) ** 2
        systole = self.start + (self.depth - self.start) * falling
        return np.where(t < self.systole_s, systole, self.depth * (1 - self._filled(t - self.systole_s)))

    def _filled(self, since_es: Curve) -> Curve:
        begun = since_es - RELAXATION_S
        if not self.kick:
            return _rise(begun / _FAST_EARLY_S)
        kick = _rise((since_es - (self.diastole_s - KICK_S)) / KICK_S)
        return self.early * _rise(begun / EARLY_S) + (1 - self.early) * kick

    def opening(self, seconds: ArrayLike) -> Curve:
        """How far the mitral valve is open, 0..1: wide in early filling, half closed in diastasis, open again for the kick."""
        since = np.asarray(seconds, np.float64) - self.systole_s
        end = self.diastole_s
        knots = np.array([RELAXATION_S - 0.01, 0.12, 0.2, 0.28, end - KICK_S, end - KICK_S / 2, end])
        # In a fast heart the waves run into each other: knots that would lie behind the next one are drawn together.
        return np.interp(
            since, np.minimum.accumulate(knots[::-1])[::-1], [0, 1, 0.9, 0.35, 0.35, 0.75 if self.kick else 0.35, 0]
        )


def _rise(x: Curve) -> Curve:
    """3 x² - 2 x³ on 0..1, flat outside: a filling wave has no corners."""
    y = np.clip(x, 0, 1)
    return np.asarray(y * y * (3 - 2 * y))


def draw_beats(
    rng: Generator, count: int, systole_s: float, *, interval_s: float, early: float, kind: Kind = "sinus"
) -> tuple[Beat, ...]:
    """Draw ``count`` beats of one recording; the first is regular (phase 0 to 1), so that the patient's EF is that of its ends.

    Args:
        systole_s: of the regular beat. interval_s: mean RR interval. early: share of the early wave.
        kind: ``sinus`` (intervals vary by about 4 %), ``fibrillation`` (by a fifth, no kick, strength by the intervals before), or
            ``extrasystole`` (one premature weak beat, then a pause and a strong beat; needs two beats).
    """
    intervals = _intervals(rng, count, interval_s, systole_s, kind)
    premature = int(rng.integers(1, count)) if kind == "extrasystole" and count > 1 else None
    if premature is not None:
        # Full compensatory pause: the sinus node is not reset, so that the two intervals are two regular ones together.
        early_s = max(interval_s * float(rng.uniform(0.58, 0.7)), systole_s + _SHORTEST_DIASTOLE_S)
        intervals[premature - 1], intervals[premature] = early_s, 2 * interval_s - early_s
    depths = _depths(rng, intervals, kind, premature)
    beats: list[Beat] = []
    start_s, start = 0.0, 0.0
    for k, (length, depth) in enumerate(zip(intervals, depths, strict=True)):
        faster = 60 / length - 60 / interval_s
        shortened = float(np.clip(systole_s - EJECTION_S_PER_BPM * faster, 0.7 * systole_s, 1.3 * systole_s))
        # The atria are in time for every beat but the one that an extrasystole cuts short, and for none in fibrillation.
        kick = kind != "fibrillation" and (premature is None or k != premature - 1)
        systole = min(shortened, length - _SHORTEST_DIASTOLE_S) if k else systole_s
        beat = Beat(
            start_s=start_s, systole_s=systole, length_s=length, start=start, depth=depth, early=early, kick=kick
        )
        beats.append(beat)
        start_s, start = start_s + length, float(beat.phase(length))
    return tuple(beats)


def _intervals(rng: Generator, count: int, mean_s: float, systole_s: float, kind: Kind) -> list[float]:
    spread = 0.22 if kind == "fibrillation" else 0.04
    drawn = mean_s * np.exp(rng.normal(0, spread, count))
    return [float(value) for value in np.maximum(drawn, systole_s + _SHORTEST_DIASTOLE_S)]


def _depths(rng: Generator, intervals: Sequence[float], kind: Kind, premature: int | None) -> list[float]:
    """Phase at ES of each beat."""
    mean = float(np.mean(intervals))
    depths = 1 + rng.normal(0, 0.03, len(intervals))
    if kind == "fibrillation":
        # Beat k knows the interval before it (k - 1) and the one before that.
        before = np.array([mean, mean, *intervals])
        depths = 1 + 0.35 * (before[1:-1] - before[:-2])[: len(intervals)] / mean + 0.5 * (depths - 1)
    if premature is not None:
        depths[premature] = rng.uniform(0.5, 0.75)
        if premature + 1 < len(depths):
            depths[premature + 1] = 1.04  # post-extrasystolic potentiation
    depths[0] = 1.0
    # Outlines are drawn for phases up to 1; a little beyond, they can still be carried on.
    return [float(depth) for depth in np.clip(depths, 0.4, 1.04)]


def sample(beats: Sequence[Beat], times: ArrayLike) -> tuple[Curve, Curve]:
    """Phase and opening of the mitral valve at times (seconds from the first ED) within the recording."""
    t = np.asarray(times, np.float64)
    starts = np.array([beat.start_s for beat in beats])
    which = np.clip(np.searchsorted(starts, t + 1e-9, side="right") - 1, 0, len(beats) - 1)
    phases, opening = np.empty_like(t), np.empty_like(t)
    for k, beat in enumerate(beats):
        at = which == k
        phases[at], opening[at] = beat.phase(t[at] - beat.start_s), beat.opening(t[at] - beat.start_s)
    return phases, opening
