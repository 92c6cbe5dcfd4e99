"""Reading ``profile.csv``: the one place that knows its column names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

_ALIASES = {
    "fps": ("fps",),
    "latency_ms": ("latency_ms_median", "latency_ms", "median_ms"),
    "latency_p5_ms": ("latency_ms_p5", "p5_ms"),
    "latency_p95_ms": ("latency_ms_p95", "p95_ms"),
    "gmacs": ("gmacs_per_frame", "gmacs_per_frame_fvcore", "gmacs_per_frame_torch", "gmacs"),
    "gmacs_torch": ("gmacs_per_frame_torch", "gmacs_torch"),
    "parameters": ("parameters", "params"),
    "memory_mb": ("peak_memory_mb", "peak_allocated_mb", "peak_mb"),
}
_CONDITION = (
    "device",
    "device_name",
    "precision",
    "channels_last",
    "compiled",
    "threads",
    "image_size",
    "batch_size",
    "clip_length",
)


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """One model's cost in its headline condition; what was not measured is NaN.

    ``gmacs`` per frame at steady state (fvcore's count where there is one), ``memory_mb`` peak allocated memory,
    ``condition`` a readable line of device, precision and so on.
    """

    fps: float = float("nan")
    latency_ms: float = float("nan")
    latency_p5_ms: float = float("nan")
    latency_p95_ms: float = float("nan")
    gmacs: float = float("nan")
    gmacs_torch: float = float("nan")
    parameters: float = float("nan")
    memory_mb: float = float("nan")
    condition: str = ""


def headline(profile: pd.DataFrame | None) -> ProfileSummary:
    """The streaming, uncompiled condition of a profile; without one, its first row. None gives all NaN.

    Counts that stand in other rows only (parameters, GMACs) are taken from the first row that has them.
    """
    if profile is None or profile.empty:
        return ProfileSummary()
    rows = headline_rows(profile)
    values = {name: _first(rows, profile, columns) for name, columns in _ALIASES.items()}
    return ProfileSummary(**values, condition=condition(rows.iloc[0]))


def headline_rows(profile: pd.DataFrame) -> pd.DataFrame:
    """Rows of the headline condition, its own row first: streaming; uncompiled where rows differ in nothing else."""
    rows = profile[_is(profile, "mode", "streaming")] if _is(profile, "mode", "streaming").any() else profile
    plain = ~_true(rows, "compiled")
    return rows[plain] if plain.any() and "variant" not in rows else rows


def median_summary(profiles: Iterable[pd.DataFrame | None]) -> ProfileSummary:
    """The median over the seeds of a model, figure by figure; the condition is the first one's."""
    found = [headline(profile) for profile in profiles if profile is not None]
    if not found:
        return ProfileSummary()
    table = pd.DataFrame([{name: getattr(one, name) for name in _ALIASES} for one in found])
    return ProfileSummary(**{name: float(table[name].median()) for name in _ALIASES}, condition=found[0].condition)


def condition(row: pd.Series) -> str:
    """Device, precision and the like of one profile row as ``key value`` pairs; columns that are absent are left out."""
    known = [(name, row[name]) for name in _CONDITION if name in row.index and pd.notna(row[name])]
    return ", ".join(dict.fromkeys(text for name, value in known if (text := _condition_text(name, value))))


def _condition_text(name: str, value: object) -> str:
    if str(value).lower() in ("true", "false"):
        return name.replace("_", " ") if str(value).lower() == "true" else ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if name in ("device", "device_name", "precision") else f"{name.replace('_', ' ')} {value}"


def _first(rows: pd.DataFrame, profile: pd.DataFrame, columns: tuple[str, ...]) -> float:
    for table in (rows, profile):
        for column in columns:
            if column in table:
                values = pd.to_numeric(table[column], errors="coerce").dropna()
                if len(values):
                    return float(values.iloc[0])
    return float("nan")


def _is(table: pd.DataFrame, column: str, value: str) -> pd.Series:
    if column not in table:
        return pd.Series(False, index=table.index)
    return table[column].astype(str).str.lower() == value


def _true(table: pd.DataFrame, column: str) -> pd.Series:
    return _is(table, column, "true") | _is(table, column, "1")
