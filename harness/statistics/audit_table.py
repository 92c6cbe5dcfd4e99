"""Reading tables of aggregates (ours or published ones) for the audit: names, units and printed precision."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.errors import DataError, decoding
from harness.statistics.audit import Check, Figure, audit_pairs, audit_row

_NAMES = {
    "dice": ("dice", "mdice"),
    "iou": ("iou", "miou"),
    "hd": ("hd", "hd_mm", "hd_px"),
    "hd95": ("hd95", "mhd95", "hd95_mm", "hd95_px"),
    "asd": ("asd", "asd_mm", "asd_px"),
    "r": ("r", "pearson_r", "ef_r", "lvef_pearson_r"),
    "bias": ("bias", "ef_bias", "lvef_bias"),
    "sd": ("sd", "std", "ef_sd", "lvef_sd"),
    "lower_limit": ("lower_limit", "loa_low"),
    "upper_limit": ("upper_limit", "loa_high"),
    "slope": ("slope",),
    "sd_predicted": ("sd_predicted",),
    "sd_truth": ("sd_truth",),
}
_PERCENT = ("dice", "iou")
_PAIRS = ("predicted", "truth")


@dataclass(frozen=True, slots=True)
class Audit:
    """The checks of one table, and where the table comes from (its comment lines)."""

    source: str
    checks: tuple[Check, ...]

    @property
    def violated(self) -> list[Check]:
        """Checks that no rounding explains."""
        return [check for check in self.checks if check.verdict == "violated"]

    @property
    def high(self) -> list[Check]:
        """Figures that are possible but far from what is usual."""
        return [check for check in self.checks if check.verdict == "high"]

    @property
    def verdict(self) -> str:
        """One sentence about the whole table."""
        if not self.checks:
            return "No figure in this table can be checked."
        if not self.violated and not self.high:
            return f"All {len(self.checks)} checks hold."
        return (
            f"{len(self.checks)} checks: {len(self.violated)} violated, {len(self.high)} imply an unusually wide spread, "
            f"{len(self.checks) - len(self.violated) - len(self.high)} hold."
        )


def audit_file(path: Path | str, printed: dict[str, str] | None = None) -> Audit:
    """Audit a CSV of aggregates, of ``metric,value`` lines, or of EF pairs (columns ``predicted`` and ``truth``).

    ``printed`` are figures (as text, so that their precision counts) that pairs are held against.

    Raises:
        DataError: the file is missing or not a CSV table of numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"The table {path} does not exist; give the path of a CSV file.")
    with decoding(path, "is not a CSV table", "give a table of text in UTF-8"):
        return audit_text(path.read_text(encoding="utf-8"), path.stem, printed)


def audit_text(text: str, name: str, printed: dict[str, str] | None = None) -> Audit:
    """Audit the text of a CSV called ``name``; lines that begin with ``#`` say where it comes from.

    Raises:
        DataError: it is not a CSV table.
    """
    lines = text.splitlines()
    source = " ".join(line.lstrip("# ").strip() for line in lines if line.startswith("#"))
    body = "\n".join(line for line in lines if not line.startswith("#"))
    with decoding(name, "is not a CSV table", "expected a header line and one row per model"):
        # As text: 93.10 and 93.1 are printed with other precision, which decides how far they may be off.
        table = pd.read_csv(io.StringIO(body), dtype=str, keep_default_na=False, index_col=False)
    return Audit(source, tuple(audit_frame(table, name, printed)))


def audit_frame(table: pd.DataFrame, name: str = "table", printed: dict[str, str] | None = None) -> list[Check]:
    """Audit a table whose cells are text as printed; columns that no check knows are ignored."""
    if set(_PAIRS) <= set(table.columns):
        pairs = table.loc[:, list(_PAIRS)].astype(float)
        return audit_pairs(name, pairs["predicted"], pairs["truth"], figures(printed or {}))
    if {"metric", "value"} <= set(table.columns):
        return audit_row(name, figures(_long(table)))
    numeric = {alias for aliases in _NAMES.values() for alias in aliases}
    checks: list[Check] = []
    for _, row in table.iterrows():
        cells = {str(key): str(value) for key, value in row.items()}
        checks += audit_row(_subject(cells, numeric, name), figures(cells))
    return checks


def figures(cells: dict[str, str]) -> dict[str, Figure]:
    """Known figures of a row with their slack; Dice and IoU above 1.5 are percent and become fractions."""
    found: dict[str, Figure] = {}
    for key, aliases in _NAMES.items():
        for alias in aliases:
            for suffix in ("", "_low", "_high"):
                figure = parse(cells.get(alias + suffix, ""))
                if figure is not None:
                    found.setdefault(key + suffix, _fraction(figure) if key in _PERCENT else figure)
    return found


def parse(text: str) -> Figure | None:
    """A printed number and half a unit of its last digit; None for anything else ("--", empty)."""
    match = re.fullmatch(r"[-+]?\d+(?:\.(\d+))?(?:[eE][-+]?\d+)?", text.strip())
    if match is None or not math.isfinite(float(text)):
        return None
    # A figure in scientific notation was written by a program and not rounded for a page.
    slack = 0.0 if "e" in text.lower() else 0.5 * 10.0 ** -len(match.group(1) or "")
    return Figure(float(text), slack)


def _fraction(figure: Figure) -> Figure:
    # No Dice exceeds 1, and no published percentage lies below 1.5.
    return Figure(figure.value / 100, figure.slack / 100) if figure.value > 1.5 else figure


def _long(table: pd.DataFrame) -> dict[str, str]:
    cells: dict[str, str] = {}
    for _, row in table.iterrows():
        metric = str(row["metric"])
        cells[metric] = str(row["value"])
        for limit in ("low", "high"):
            cells[f"{metric}_{limit}"] = str(row.get(f"ci_{limit}", ""))
    return cells


def _subject(cells: dict[str, str], numeric: set[str], name: str) -> str:
    words = [
        value
        for key, value in cells.items()
        if key in ("model", "method", "setting", "dataset", "kind", "group", "structure", "view", "phase") and value
    ]
    return ", ".join(words) or name
