"""Everything that leaves the house for one suite, written to one folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from harness.files import write_text
from harness.reporting.cases import CasePicture
from harness.reporting.figures import dice_against_fps, overlay_grid
from harness.reporting.main_table import main_table
from harness.reporting.manifest import write_manifest
from harness.reporting.pictures import suite_pictures
from harness.reporting.render_latex import to_latex
from harness.reporting.render_terminal import print_table
from harness.reporting.render_text import to_csv, to_markdown
from harness.reporting.results import SuiteResults
from harness.reporting.style import save
from harness.reporting.table import Table


def write_report(results: SuiteResults, out_dir: Path, pictures: Sequence[CasePicture] | None = None) -> list[Path]:
    """Write ``table.{md,csv,tex}``, ``figures/*.{pdf,png}`` and ``suite.json`` below ``out_dir`` and return the paths.

    ``pictures`` are the cases to overlay, one figure per model (see ``cases.notable_cases``); None takes those stored with
    the runs (see ``pictures.save_pictures``), an empty sequence shows none. Files are replaced one by one, each atomically.
    """
    out_dir = Path(out_dir)
    table = main_table(results)
    written = write_table(table, out_dir)
    chart = dice_against_fps(table)
    if chart is not None:
        written += save(chart, out_dir / "figures", "dice_against_fps")
    for label, own in _by_label(suite_pictures(results) if pictures is None else pictures).items():
        written += save(overlay_grid(own, mark=results.mark), out_dir / "figures", f"overlays_{file_stem(label)}")
    return [*written, write_manifest(results, out_dir)]


def print_report(results: SuiteResults, paths: Sequence[Path] = (), console: Console | None = None) -> None:
    """Show the main table on the terminal, then where the files lie."""
    console = console or Console()
    print_table(main_table(results), console)
    if paths:
        console.print(f"{len(paths)} files in {os.path.commonpath([path.parent for path in paths])}", highlight=False)


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write one table as Markdown, CSV and LaTeX, named after it."""
    written = []
    for suffix, render in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex)):
        path = folder / f"{table.name}.{suffix}"
        write_text(path, render(table))
        written.append(path)
    return written


def file_stem(label: str) -> str:
    """A label as part of a file name: lower case letters, digits and dashes."""
    return "-".join("".join(c if c.isalnum() and c.isascii() else " " for c in label.lower()).split()) or "model"


def _by_label(pictures: Iterable[CasePicture]) -> dict[str, list[CasePicture]]:
    found: dict[str, list[CasePicture]] = {}
    for picture in pictures:
        found.setdefault(picture.label, []).append(picture)
    return found
