"""Many reports on one page: every report with its link, and every model of every suite, grouped by condition.

Models are ordered within a condition only: rows of different data, views, recipes or protocols are never ranked together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import BenchError
from harness.files import write_text
from harness.reporting.page.page import leaderboard_page
from harness.reporting.tables.main_comparison import FAILURES
from harness.reporting.tables.stored import SUFFIX, read_table, write_table
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.reporting.verify import verify_report
from harness.store.formats.archive import is_archive
from harness.store.formats.manifest import KINDS, Manifest, read_manifest

SHOWN = ("dice", "hd95_mm", "hd95_px", "nsd_mm", "nsd_px", "ef_mae", "ef_r", FAILURES.key)
"""Columns of a suite's main table that a leaderboard takes over, where a suite has them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportEntry:
    """One report below the folders: its manifest, where it lies, and whether its tables are what its rows say.

    Attributes:
        folder: of the report.
        manifest: what it was made from.
        title: heading of its main table, without the structure.
        verified: "verified", "differs", or why it could not be checked.
    """

    folder: Path
    manifest: Manifest
    title: str
    verified: str


def find_reports(folders: Iterable[Path], results_dir: Path) -> list[ReportEntry]:
    """Every report in or directly below the folders, suites first, checked against its rows where those are at hand.

    Raises:
        BenchError: no report lies there.
    """
    paths = [path for folder in folders for path in _manifests(Path(folder))]
    if not paths:
        raise BenchError(f"No report lies in {', '.join(map(str, folders))}; `echobench bench` makes one.")
    return [_entry(path, results_dir) for path in dict.fromkeys(paths)]


def leaderboard_table(entries: Sequence[ReportEntry]) -> Table | None:
    """All models of all suites, a group of rows per condition, each group by falling Dice; None without a finished suite.

    The order is that of the means and no claim: what a difference is worth stands in the suite's own report.
    """
    suites = [entry for entry in entries if entry.manifest.kind == "suite" and entry.manifest.tables]
    tables = [(entry, read_table(entry.folder / f"table{SUFFIX}")) for entry in suites]
    if not tables:
        return None
    columns: dict[str, Column] = {}
    for _, table in tables:
        # A column that is hidden in one suite for want of space may be the only one that another has.
        columns |= {column.key: replace(column, csv_only=False) for column in table.columns if column.key in SHOWN}
    groups: dict[str, list[Row]] = {}
    names: dict[str, str] = {}
    for entry, table in tables:
        # Reports of before there were keys stand alone: nothing says that they share a condition.
        key = entry.manifest.condition or entry.manifest.name
        name = names.setdefault(key, _condition(key, table))
        groups.setdefault(name, []).extend(_row(entry, row, columns) for row in table.rows)
    rows = [replace(row, group=name) for name, members in groups.items() for row in sorted(members, key=_by_dice)]
    return Table(
        name="leaderboard",
        title="All models by condition",
        caption="Mean over patients with its 95 % interval, as in each suite's own table. Models are ordered within a condition only; "
        "the order of two means is no claim that one model is better (see the suite's verdict). Trainings: finished runs of the "
        "model. Verified: every cell of the suite's tables was derived again from the rows of single cases.",
        columns=(*(columns[key] for key in SHOWN if key in columns), *_facts()),
        rows=tuple(rows),
        mark=None,
    )


def write_leaderboard(folders: Sequence[Path], out_dir: Path, results_dir: Path) -> list[Path]:
    """Write ``index.html`` and, where a suite is finished, ``leaderboard.{md,csv,tex,table.json}``; returns the paths.

    Args:
        folders: reports, or folders of reports.
        out_dir: where the page is written; its links are relative to it.
        results_dir: a store, or a folder of archives by report name, against which tables are verified.

    Raises:
        BenchError: no report lies in the folders.
    """
    entries = find_reports(folders, Path(results_dir))
    table = leaderboard_table(entries)
    written = write_table(table, out_dir) if table else []
    links = [(entry, _link(entry.folder, Path(out_dir))) for entry in entries]
    write_text(Path(out_dir) / "index.html", leaderboard_page(table, links))
    return [Path(out_dir) / "index.html", *written]


def _manifests(folder: Path) -> list[Path]:
    """Manifests of a report's folder, else of those below it; a suite's sweep lies one folder deeper."""
    # A folder that is a report itself; only else is it a folder of reports.
    near = [path for kind in KINDS for path in sorted(folder.glob(f"{kind}.json"))]
    below = [path for kind in KINDS for path in sorted(folder.glob(f"*/{kind}.json"))]
    deeper = [path for kind in KINDS for path in sorted(folder.glob(f"*/*/{kind}.json"))]
    return [*near, *below] if near else sorted([*below, *deeper], key=lambda path: KINDS.index(path.stem))


def _entry(path: Path, results_dir: Path) -> ReportEntry:
    manifest, folder = read_manifest(path), path.parent
    return ReportEntry(folder=folder, manifest=manifest, title=_title(folder, manifest), verified=_verified(folder, manifest, results_dir))  # fmt: skip


def _title(folder: Path, manifest: Manifest) -> str:
    """What a reader calls the report: the heading of its first table."""
    first = folder / f"{manifest.tables[0]}{SUFFIX}" if manifest.tables else None
    if first is None or not first.is_file():
        return manifest.title or manifest.name
    return read_table(first).title.partition(":")[0]


def _verified(folder: Path, manifest: Manifest, results_dir: Path) -> str:
    if manifest.kind != "suite":
        return ""
    archive = results_dir / manifest.name
    # Committed results are archives by report; one's own are one store.
    store = archive if is_archive(archive) else results_dir
    try:
        found = verify_report(folder.name, folder.parent, store)
    # A report without its rows is still listed; that nobody could check it stands beside it.
    except BenchError:
        return "rows not at hand"
    return "verified" if found.agrees else "differs"


def _condition(key: str, table: Table) -> str:
    """A condition in words with its key: two suites share a group only where all but model and seed is the same."""
    return f"{table.title.partition(':')[0]} ({key})" + (f", {table.mark}" if table.mark else "")


def _row(entry: ReportEntry, row: Row, columns: dict[str, Column]) -> Row:
    cells = {key: row.cell(key) for key in columns}
    cells |= {"protocol": Cell(text=row.cell("first_frame").text), "trainings": row.cell("seeds"), "patients": row.cell("patients")}  # fmt: skip
    cells |= {"report": Cell(text=entry.folder.name), "verified": Cell(text=entry.verified)}
    return Row(label=row.label, cells=cells)


def _facts() -> tuple[Column, ...]:
    return (
        Column(key="patients", header="n", digits=0),
        Column(key="trainings", header="Trainings", digits=0),
        Column(key="protocol", header="First frame", text=True),
        Column(key="report", header="Report", text=True),
        Column(key="verified", header="Verified", text=True),
    )


def _by_dice(row: Row) -> float:
    value = row.cell("dice").value
    # A model without a Dice stands last and not wherever NaN happens to sort.
    return -value if value == value else float("inf")


def _link(folder: Path, out_dir: Path) -> str:
    """The report's page from the leaderboard's folder; a section without a page of its own links its first table."""
    page = folder / "index.html"
    # A sweep is a section of its suite's page.
    if not page.is_file() and (folder.parent / "index.html").is_file() and folder.parent != out_dir:
        page = folder.parent / "index.html"
    target = page if page.is_file() else folder
    return Path(os.path.relpath(target, out_dir)).as_posix()
