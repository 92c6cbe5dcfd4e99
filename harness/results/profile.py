"""What a profile says of a model: one figure per quantity in the headline condition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import pandas as pd

_CONDITION = (
    "device",
    "device_name",
    "precision",
    "channels_last",
    "engine",
    "threads",
    "image_size",
    "batch_size",
    "clip_length",
)
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """One model's cost in its headline condition; what was not measured is NaN.

    Every figure has the name of its column in ``profile.csv``: time per frame and multiply-adds (10^9) per frame at
    steady state by two independent counters, number of parameters, peak of allocated memory. ``condition`` is a
    readable line of device, precision and so on.
    """

    fps: float = _NAN
    median_ms: float = _NAN
    p5_ms: float = _NAN
    p95_ms: float = _NAN
    gmacs_per_frame_torch: float = _NAN
    gmacs_per_frame_fvcore: float = _NAN
    parameters: float = _NAN
    peak_memory_mb: float = _NAN
    condition: str = ""

    @property
    def fps_spread(self) -> tuple[float, float]:
        """Frames per second at the slow and the fast end of 90 % of the repeats; NaN where no spread was measured."""
        return self.fps * self.median_ms / self.p95_ms, self.fps * self.median_ms / self.p5_ms


FIGURES = tuple(one.name for one in fields(ProfileSummary) if one.name != "condition")


def headline(profile: pd.DataFrame | None) -> ProfileSummary:
    """The streaming condition of a profile (``PROFILE`` columns); without one, its first row. None gives all NaN.

    Counts that stand in other rows only (parameters, GMACs) are taken from the first row that has them.
    """
    if profile is None or profile.empty:
        return ProfileSummary()
    rows = headline_rows(profile)
    values = {name: _first(pd.concat([rows[name], profile[name]])) for name in FIGURES}
    return ProfileSummary(**values, condition=condition(rows.iloc[0]))


def headline_rows(profile: pd.DataFrame) -> pd.DataFrame:
    """Rows of the headline condition: streaming. The writer puts the headline, one engine's row, first."""
    streaming = profile["mode"] == "streaming"
    return profile[streaming] if streaming.any() else profile


def median_summary(profiles: Iterable[pd.DataFrame | None]) -> ProfileSummary:
    """The median over the seeds of a model, figure by figure; the condition is the first one's."""
    measured = [headline(profile) for profile in profiles if profile is not None]
    if not measured:
        return ProfileSummary()
    table = pd.DataFrame([{name: getattr(summary, name) for name in FIGURES} for summary in measured])
    return ProfileSummary(**{name: float(table[name].median()) for name in FIGURES}, condition=measured[0].condition)


def clip_ms(profile: pd.DataFrame | None) -> float:
    """Median milliseconds of one whole clip by the headline's engine; NaN where it was not measured."""
    if profile is None:
        return _NAN
    rows = profile[profile["mode"] == "clip"]
    if len(rows):
        rows = rows[rows["engine"] == headline_rows(profile)["engine"].iloc[0]]
    return _first(rows["median_ms"])


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


def _first(values: pd.Series) -> float:
    """The first value that is there, NaN where none is."""
    measured = values.dropna()
    return float(measured.iloc[0]) if len(measured) else _NAN
