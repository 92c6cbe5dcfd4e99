"""Figures that others printed, in a block of their own: never ranked, never tested, never mixed with measured ones."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from harness.config import config_root
from harness.reporting.tables.table import Cell, Column, Row, Source, Table

_TEXT = ("method", "setting", "metric", "venue", "dataset", "kind", "unit")
_HEADERS = {
    "mdice": "mDice", "miou": "mIoU", "mhd95": "mHD95", "hd": "HD", "hd95": "HD95", "asd": "ASD", "fps": "FPS",
    "pearson_r": "Pearson r", "std": "SD", "ms": "ms", "params_m": "Param. (M)", "mdice_camus": "mDice (CAMUS)",
    "ci_low": "CI low", "ci_high": "CI high",
}  # fmt: skip


def published_files() -> list[Path]:
    """The tables of published figures kept with the project."""
    return sorted((config_root() / "published").glob("*.csv"))


def read_published(path: Path) -> Table:
    """Read one file of ``configs/published``: comment lines are the source, every cell stays as printed."""
    lines = path.read_text(encoding="utf-8").splitlines()
    source = " ".join(line.lstrip("# ").strip() for line in lines if line.startswith("#")).rstrip(".")
    frame = pd.read_csv(path, comment="#", dtype=str, keep_default_na=False, index_col=False)
    return published_table(path, source, frame)


def published_table(path: Path, source: str, frame: pd.DataFrame) -> Table:
    """The table of one file; its title is what the source's first clause names."""
    stub = next((name for name in _TEXT if name in frame), str(frame.columns[0]))
    columns = tuple(
        Column(key=str(c), header=_header(str(c)), text=True, source=Source("published", str(c), "as printed"))
        for c in frame.columns
        if c != stub
    )
    rows = [
        Row(label=str(row[stub]), cells={c.key: Cell(text=str(row[c.key])) for c in columns})
        for _, row in frame.iterrows()
    ]
    what = re.split(r"[;:]", source, maxsplit=1)[0].strip() or path.stem.replace("_", " ")
    return Table(
        name=f"published_{path.stem}",
        title=f"Published figures, not measured here: {what}",
        caption=f"As printed. Source: {source}.",
        columns=columns,
        rows=tuple(rows),
        stub=stub.capitalize(),
        ranked=False,
        published=True,
    )


def _header(name: str) -> str:
    return _HEADERS.get(name, name.replace("_", " ").capitalize())
