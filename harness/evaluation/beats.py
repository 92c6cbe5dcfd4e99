"""End-diastole and end-systole of every beat, read from the area curve of the left ventricle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter, uniform_filter1d

SHORTEST_BEAT_S = 0.3
"""200 beats a minute: two minima closer than this are one end-systole with noise on it."""
PROMINENCE = 0.35
"""A beat swings by at least this share of the curve's range, and its ends lie no further from the range's."""
CUT_OFF = 0.15
"""The same for the first and the last frame: further from the range's ends the clip begins or stops within a beat."""
_ENOUGH_FRAMES = 7
"""Shorter curves are not smoothed: a window of three would cut the only beat's ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """Frames of the largest and the following smallest LV area of one beat."""

    ed: int
    es: int


def find_beats(areas: ArrayLike, frame_rate_hz: float | None = None) -> tuple[Beat, ...]:
    """The beats of an area curve [T], in time; empty where fewer than two frames hold any LV or the area never changes.

    A beat is an end-systole, a minimum that stands out by ``PROMINENCE`` of the range, with the largest area since the
    minimum before it. Ends of the clip count where they reach nearly as far as the rest. Frames without LV are failures of the
    model, not ventricles of size zero: the curve is interpolated over them. Where no such pair is found (half a beat that
    runs from ES to ED), the largest and smallest area of the clip are the only beat.

    Args:
        frame_rate_hz: with it, minima closer than ``SHORTEST_BEAT_S`` are one.

    >>> curve = 30 + 10 * np.cos(2 * np.pi * np.arange(45) / 20)
    >>> [(beat.ed, beat.es) for beat in find_beats(curve)]
    [(0, 10), (20, 30)]
    """
    raw = np.asarray(areas, dtype=np.float64)
    filled = raw > 0
    if np.count_nonzero(filled) < 2 or np.ptp(raw[filled]) == 0:
        return ()
    curve = _smooth(np.interp(np.arange(len(raw)), np.flatnonzero(filled), raw[filled]))
    low, high = curve.min(), curve.max()
    reach = np.full(len(curve), PROMINENCE * (high - low))
    reach[[0, -1]] = CUT_OFF * (high - low)
    minima = [m for m in _minima(curve, reach[1], frame_rate_hz) if curve[m] <= low + reach[m]]
    beats = []
    for start, es in zip([0, *minima], minima, strict=False):
        ed = start + int(curve[start : es + 1].argmax())
        if ed < es and curve[ed] >= high - reach[ed]:
            beats.append(Beat(ed=_nearest_filled(filled, ed), es=_nearest_filled(filled, es)))
    if beats:
        return tuple(beats)
    # inf keeps the empty frames out of the search without shifting indices.
    return (Beat(ed=int(raw.argmax()), es=int(np.where(filled, raw, np.inf).argmin())),)


def _smooth(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median and mean of three frames: one bad frame moves no beat."""
    if len(curve) < _ENOUGH_FRAMES:
        return curve
    return np.asarray(uniform_filter1d(median_filter(curve, 3, mode="nearest"), 3, mode="nearest"))


def _minima(curve: NDArray[np.float64], prominence: float, frame_rate_hz: float | None) -> NDArray[np.intp]:
    # Here: scipy.signal takes a second and more to import, and few commands look for beats.
    from scipy.signal import find_peaks

    # Raised ends: a clip that begins or stops at end-systole has its minimum there.
    padded = np.concatenate([[curve.max()], curve, [curve.max()]])
    distance = max(1.0, SHORTEST_BEAT_S * frame_rate_hz) if frame_rate_hz else 1.0
    return np.asarray(find_peaks(-padded, prominence=prominence, distance=distance)[0] - 1)


def _nearest_filled(filled: NDArray[np.bool_], frame: int) -> int:
    frames = np.flatnonzero(filled)
    return int(frames[np.abs(frames - frame).argmin()])
