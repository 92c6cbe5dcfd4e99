"""``cases.csv`` of a run: one row per case, frame, structure and metric."""

from __future__ import annotations

from harness.store.formats.table import Kind, TableFormat

_COLUMNS: dict[str, Kind] = {
    "run": "text",
    "model": "text",
    "seed": "integer",
    "dataset": "text",
    "split": "text",
    "patient": "text",
    "view": "text",
    "frame": "integer",
    "phase": "text",
    "structure": "text",
    "metric": "text",
    "value": "number",
}
CASES = TableFormat(name="case rows", file="cases.csv", columns=_COLUMNS)
ROW_COLUMNS = tuple(_COLUMNS)
"""``frame`` is -1 and ``phase`` empty for values of a whole view or patient (EF); an undefined ``value`` is NaN."""
