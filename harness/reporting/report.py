"""Everything that leaves the house for one suite, written to one folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console

from harness.files import write_text
from harness.reporting.cases import CasePicture
from harness.reporting.figures.basic import overlay_grid
from harness.reporting.figures.style import save
from harness.reporting.figures.suite import suite_figures
from harness.reporting.manifest import write_manifest
from harness.reporting.page.page import page
from harness.reporting.pictures import suite_pictures
from harness.reporting.render.latex import to_latex
from harness.reporting.render.paper import paper
from harness.reporting.render.terminal import print_table
from harness.reporting.render.text import to_csv, to_markdown
from harness.reporting.sections import find_sections
from harness.reporting.tables.main import main_table
from harness.reporting.tables.parts import comparison_table, cost_table, ef_table, part_tables
from harness.reporting.tables.published import published_files, read_published
from harness.reporting.tables.table import Table
from harness.results.suite import SuiteResults

OVERLAYS = "overlays_"
"""Beginning of the names of figures that show patients."""


def write_report(results: SuiteResults, out_dir: Path, pictures: Sequence[CasePicture] | None = None) -> list[Path]:
    """Write all tables (``*.{md,csv,tex}``), ``figures/*.{pdf,png}``, ``paper.tex``, ``index.html`` and ``suite.json``.

    ``pictures`` are the cases to overlay, one figure per model (see ``cases.notable_cases``); None takes those stored with
    the runs (see ``pictures.save_pictures``), an empty sequence shows none. Robustness sweeps and studies that lie in or
    beside the folder become parts of page and paper (see ``sections``). Files are replaced one by one, each atomically.

    Returns:
        The paths written, the main table (``table.*``) first.
    """
    out_dir = Path(out_dir)
    main = main_table(results)
    tables = [main, *more_tables(results)]
    written = [path for table in tables for path in write_table(table, out_dir)]
    shown = suite_pictures(results) if pictures is None else list(pictures)
    pngs: dict[str, bytes] = {}
    for name, figure in _figures(results, main, shown):
        pdf, png = save(figure, out_dir / "figures", name)
        written += [pdf, png]
        pngs[name] = png.read_bytes()
    charts = {name: png for name, png in pngs.items() if not name.startswith(OVERLAYS)}
    sections = find_sections(out_dir, results.dataset)
    write_text(out_dir / "paper.tex", paper(tables, pngs, sections))
    write_text(out_dir / "index.html", page(results, tables, charts, shown, sections))
    return [*written, out_dir / "paper.tex", out_dir / "index.html", write_manifest(results, out_dir)]


def _figures(results: SuiteResults, main: Table, pictures: Sequence[CasePicture]) -> Iterator[tuple[str, Figure]]:
    yield from suite_figures(results, main)
    for label, own in _by_label(pictures).items():
        yield f"{OVERLAYS}{file_stem(label)}", overlay_grid(own, mark=results.mark)


def more_tables(results: SuiteResults) -> list[Table]:
    """The tables beside the main one that this suite has something for."""
    made = (comparison_table(results), *part_tables(results), ef_table(results), cost_table(results))
    finished = any(arm.finished for arm in results.arms)
    published = [read_published(path) for path in published_files()] if finished else []
    return [*(table for table in made if table is not None), *published]


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
