"""Write the report of one suite: tables, figures and page, in one folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console

from harness.files import write_text
from harness.leftovers import remove_half_written
from harness.reporting.figures.accuracy_and_cases import overlay_grid
from harness.reporting.figures.style import save
from harness.reporting.figures.suite_figures import suite_figures
from harness.reporting.manifest import write_manifest
from harness.reporting.page.page import page
from harness.reporting.paper.sample import write_paper
from harness.reporting.render.terminal import print_table
from harness.reporting.section_report import (
    study_tables,
    write_passing_report,
    write_robustness_report,
    write_study_report,
)
from harness.reporting.sections import find_sections
from harness.reporting.tables.cost import cost_table
from harness.reporting.tables.ejection_fraction import ef_table
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.over_time import stage_table, time_table
from harness.reporting.tables.paired_comparisons import comparison_table
from harness.reporting.tables.parts import part_tables
from harness.reporting.tables.passing import passing_tables
from harness.reporting.tables.published_figures import published_files, read_published
from harness.reporting.tables.ranks import rank_table
from harness.reporting.tables.robustness_summary import summary_table
from harness.reporting.tables.stored import write_table
from harness.reporting.tables.subgroups import subgroup_table
from harness.reporting.tables.table import Table
from harness.reporting.tables.words import with_frames
from harness.results.pictures import COMMON, FAULT, CasePicture, stored_pictures
from harness.results.result_set import ResultSet
from harness.terminal import console as new_console

OVERLAYS = "overlays_"
"""Beginning of the names of figures that show patients."""
_SHOWN = ("ablation", "trials", "effects_dice", "importance")


def write_report(results: ResultSet, out_dir: Path, pictures: Sequence[CasePicture] | None = None) -> list[Path]:
    """Write the report of any results: a suite's, a sweep's or a study's; returns the paths, the main table first.

    Tables are ``*.{md,csv,tex,table.json}``, figures ``figures/*.{pdf,png}``; a suite's folder has ``paper.tex`` with what it reads and
    ``index.html`` besides. Files are replaced one by one, each atomically, the manifest last.

    Args:
        results: what to report.
        out_dir: the report's folder.
        pictures: of a suite: the cases to overlay, one figure per model; None takes those stored with the runs, an empty
            sequence shows none.
    """
    out_dir = Path(out_dir)
    # Of an earlier process that was killed while it wrote this report.
    remove_half_written(out_dir)
    if results.design is not None:
        return write_study_report(results, out_dir)
    if results.window is not None:
        return write_passing_report(results, out_dir)
    if results.perturbations:
        return write_robustness_report(results, out_dir)
    return _write_suite(results, out_dir, stored_pictures(results) if pictures is None else pictures)


def _write_suite(results: ResultSet, out_dir: Path, pictures: Sequence[CasePicture]) -> list[Path]:
    """Sweeps and studies that lie in or beside the folder become sections of page and paper."""
    tables = suite_tables(results)
    main = tables[0]
    written = [path for table in tables for path in write_table(table, out_dir)]
    pngs: dict[str, bytes] = {}
    for name, figure in _figures(results, main, pictures):
        pdf, png = save(figure, out_dir / "figures", name)
        written += [pdf, png]
        pngs[name] = png.read_bytes()
    # Overlays stand on the page as players, which show every frame.
    charts = {name: png for name, png in pngs.items() if not name.startswith(OVERLAYS)}
    sections = find_sections(out_dir, results.dataset)
    written += write_paper(results, tables, pngs, sections, out_dir)
    write_text(out_dir / "index.html", page(results, tables, charts, pictures, sections))
    return [
        *written,
        out_dir / "index.html",
        write_manifest(results, out_dir, tuple(table.name for table in tables), {}),
    ]


def _figures(results: ResultSet, main: Table, pictures: Sequence[CasePicture]) -> Iterator[tuple[str, Figure]]:
    yield from suite_figures(results, main)
    for label, cases in _by_label(picture for picture in pictures if picture.role not in (COMMON, FAULT)).items():
        yield f"{OVERLAYS}{file_stem(label)}", overlay_grid(cases, mark=results.mark)


def suite_tables(results: ResultSet) -> list[Table]:
    """All tables of a suite's report, the main one first, each saying how many frames the models saw."""
    return [with_frames(table, results) for table in (main_table(results), *more_tables(results))]


def more_tables(results: ResultSet) -> list[Table]:
    """The tables beside the main one that this suite has something for."""
    made = (
        *(comparison_table(results), time_table(results), stage_table(results)),
        *(subgroup_table(results), rank_table(results)),
        *part_tables(results),
        ef_table(results),
        cost_table(results),
    )
    # Beside nothing of ours, others' figures would look like the result.
    published = [read_published(path) for path in published_files()] if results.finished else []
    return [*(table for table in made if table is not None), *published]


def print_report(results: ResultSet, paths: Sequence[Path] = (), console: Console | None = None) -> None:
    """Show the main tables of results on the terminal, then where the files lie."""
    console = console or new_console()
    if results.design is not None:
        shown = [table for table in study_tables(results) if table.name in _SHOWN]
    elif results.window is not None:
        shown = passing_tables(results)[:1]
    else:
        # A sequence has two main tables: its ends, as every data set has them, and all of it.
        made = [summary_table(results)] if results.perturbations else [main_table(results), time_table(results)]
        shown = [table for table in made if table is not None]
    for table in shown:
        print_table(with_frames(table, results), console)
    if paths:
        console.print(f"{len(paths)} files in {os.path.commonpath([path.parent for path in paths])}", highlight=False)


def file_stem(label: str) -> str:
    """A label as part of a file name: lower case letters, digits and dashes.

    >>> file_stem("U-Net (paper)")
    'u-net-paper'
    """
    return "-".join("".join(c if c.isalnum() and c.isascii() else " " for c in label.lower()).split()) or "model"


def _by_label(pictures: Iterable[CasePicture]) -> dict[str, list[CasePicture]]:
    cases: dict[str, list[CasePicture]] = {}
    for picture in pictures:
        cases.setdefault(picture.label, []).append(picture)
    return cases
