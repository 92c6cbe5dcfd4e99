"""What a profile says of a model: one figure per quantity in the headline condition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

_CONDITION = (
    "device",
    "device_name",
    "precision",
    "tf32",
    "channels_last",
    "engine",
    "threads",
    "image_size",
    "batch_size",
    "clip_length",
)
_RANGE = ("fps_low", "fps_high")
_TIMED = ("fps", "median_ms", "p5_ms", "p95_ms", *_RANGE)
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """One model's cost in its headline condition; what was not measured is NaN.

    Every figure has the name of its column in ``profile.csv``: time per frame and multiply-adds (10^9) per frame at
    steady state by two independent counters, number of parameters, peak of allocated memory. ``fps_low`` and ``fps_high``
    are the slowest and the fastest round of any process. ``busy``: other work on the machine took part in every timing,
    so that it is not ranked. ``condition`` is a readable line of device, precision and so on.
    """

    fps: float = _NAN
    fps_low: float = _NAN
    fps_high: float = _NAN
    median_ms: float = _NAN
    p5_ms: float = _NAN
    p95_ms: float = _NAN
    gmacs_per_frame_torch: float = _NAN
    gmacs_per_frame_fvcore: float = _NAN
    parameters: float = _NAN
    peak_memory_mb: float = _NAN
    condition: str = ""
    busy: bool = False

    @property
    def fps_spread(self) -> tuple[float, float]:
        """Frames per second at the slow and the fast end: 90 % of the repeats, and every round of every process.

        NaN where no spread was measured.
        """
        ends = (self.fps * self.median_ms / self.p95_ms, self.fps * self.median_ms / self.p5_ms)
        # fmin and fmax: profiles of before rounds were told apart have the repeats alone
        return float(np.fmin(ends[0], self.fps_low)), float(np.fmax(ends[1], self.fps_high))


FIGURES = tuple(field.name for field in fields(ProfileSummary) if field.name not in ("condition", "busy"))


def headline(profile: pd.DataFrame | None) -> ProfileSummary:
    """The streaming condition of a profile (``PROFILE`` columns); without one, its first row. None gives all NaN.

    Counts that stand in other rows only (parameters, GMACs) are taken from the first row that has them.
    """
    if profile is None or profile.empty:
        return ProfileSummary()
    rows = headline_rows(profile)
    values = {name: _first(pd.concat([rows[name], profile[name]])) for name in FIGURES}
    return ProfileSummary(**values, condition=condition(rows.iloc[0]), busy=_busy(rows))


def headline_rows(profile: pd.DataFrame) -> pd.DataFrame:
    """Rows of the headline condition: streaming. The writer puts the headline, one engine's row, first."""
    streaming = profile["mode"] == "streaming"
    return profile[streaming] if streaming.any() else profile


def median_summary(profiles: Iterable[pd.DataFrame | None]) -> ProfileSummary:
    """The median over the seeds of a model, figure by figure; the condition is the first one's.

    Times are those of quiet machines; only where there is none, those beside other work, which are then ``busy``. Of the
    rounds the range over all processes is kept.
    """
    measured = [headline(profile) for profile in profiles if profile is not None]
    if not measured:
        return ProfileSummary()
    quiet = [summary for summary in measured if not summary.busy]
    table = pd.DataFrame([{name: getattr(summary, name) for name in FIGURES} for summary in measured])
    timed = pd.DataFrame([{name: getattr(summary, name) for name in _TIMED} for summary in quiet or measured])
    values = {name: float((timed if name in _TIMED else table)[name].median()) for name in FIGURES}
    values |= {"fps_low": float(timed["fps_low"].min()), "fps_high": float(timed["fps_high"].max())}
    return ProfileSummary(**values, condition=measured[0].condition, busy=not quiet)


def clip_time(profiles: Iterable[pd.DataFrame | None]) -> tuple[float, bool]:
    """Median milliseconds of one whole clip by the headline's engine, and whether it was measured beside other work.

    The first seed's that was measured on a quiet machine, else the first; NaN where none was measured.
    """
    found = [_clip_time(profile) for profile in profiles if profile is not None]
    # min keeps the first of equals: the order of the seeds decides among quiet times
    return min((time for time in found if np.isfinite(time[0])), key=lambda time: time[1], default=(_NAN, False))


def _clip_time(profile: pd.DataFrame) -> tuple[float, bool]:
    rows = profile[profile["mode"] == "clip"]
    if rows.empty:
        return _NAN, False
    rows = rows[rows["engine"] == headline_rows(profile)["engine"].iloc[0]]
    return _first(rows["median_ms"]), _busy(rows)


def condition(row: pd.Series) -> str:
    """Device, precision and the like of one profile row as ``key value`` pairs; what is missing is left out."""
    # files from before engines had names do not say which one ran
    stated = {name: row[name] for name in _CONDITION} | {"engine": row["engine"] or "unrecorded"}
    known = [(name, value) for name, value in stated.items() if pd.notna(value) and value != ""]
    return ", ".join(dict.fromkeys(text for name, value in known if (text := _condition_text(name, value))))


def _condition_text(name: str, value: object) -> str:
    if str(value).lower() in ("true", "false"):
        return name.replace("_", " ") if str(value).lower() == "true" else ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if name == "clip_length":
        # Of the profile alone: how many frames accuracy was made with says every caption.
        return f"profiled on {value} frames"
    if name == "engine":
        return f"{value} engine"
    return str(value) if name in ("device", "device_name", "precision") else f"{name.replace('_', ' ')} {value}"


def _busy(rows: pd.DataFrame) -> bool:
    """Whether the first of the rows was timed beside other work; files from before that was watched do not say."""
    busy = rows["busy"].iloc[0] if "busy" in rows and len(rows) else False
    return bool(busy) if pd.notna(busy) else False


def _first(values: pd.Series) -> float:
    """The first value that is there, NaN where none is."""
    measured = values.dropna()
    return float(measured.iloc[0]) if len(measured) else _NAN
