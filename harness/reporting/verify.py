"""Is a report what its rows say? Every table derived again and compared with the stored one, cell by cell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.files import sha256_file
from harness.reporting.manifest import kind_of, read_results
from harness.reporting.page.provenance import origin
from harness.reporting.render.text import to_csv, to_markdown
from harness.reporting.report import suite_tables
from harness.reporting.section_report import robustness_tables, study_tables
from harness.reporting.tables.stored import SUFFIX, read_table
from harness.reporting.tables.table import Table
from harness.reporting.transfer_report import Measured, read_transfer, tables_of, transfers_in
from harness.results.groups import GROUPS
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.store.formats.manifest import find_manifest

TOLERANCE = 1e-6
"""Relative difference of two numbers that other versions of linear algebra may make; anything above is a difference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What ``verify_report`` saw: tables and cells that were compared, every difference, and where the rows come from."""

    tables: int
    cells: int
    differences: tuple[str, ...]
    origins: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether at least one table was compared and nothing differed."""
        return self.tables > 0 and not self.differences

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.tables:
            return "No table of this report is stored, so nothing could be compared."
        seen = f"{self.cells} cells of {self.tables} tables derived again from the rows"
        return f"{seen}: all agree." if self.agrees else f"{seen}: {len(self.differences)} differences."


def verify_report(name: str, reports_dir: Path, results_dir: Path) -> Verified:
    """Derive every table of the report ``name`` again and compare it with what is stored.

    Raises:
        BenchError: no such report, or a run of it is no longer in the store.
    """
    if (measured := read_transfer(Path(reports_dir) / name, Path(results_dir))) is not None:
        return _verify_transfer(Path(reports_dir) / name, measured)
    tables = cells = 0
    differences: list[str] = []
    origins: list[str] = []
    for folder, results in read_results(name, Path(reports_dir), Path(results_dir)).items():
        origins.append(f"{folder.name}: {origin(results)}")
        differences += [f"{folder.name}: {text}" for run in results.runs for text in identity_differences(run)]
        differences += [f"{folder.name}: {text}" for text in hash_differences(results, folder)]
        derived = derived_tables(results)
        expected = {table.name for table in derived}
        stored = {path.name.split(".")[0] for path in folder.glob("*.csv")} - {"all_trials", Path(GROUPS).stem}
        differences += [
            f"{folder.name}/{stem}: stored, but not derived from the rows" for stem in sorted(stored - expected)
        ]
        for table in derived:
            where = f"{folder.name}/{table.name}"
            if table.name not in stored:
                differences.append(f"{where}: not stored")
                continue
            tables += 1
            count, found = compare_table(table, folder)
            cells += count
            differences += [f"{where}: {text}" for text in found]
    for folder in transfers_in(Path(reports_dir) / name):
        inside = _verify_transfer(folder, read_transfer(folder, Path(results_dir)) or ())
        tables, cells = tables + inside.tables, cells + inside.cells
        differences += [f"{folder.name}/{text}" for text in inside.differences]
    return Verified(tables=tables, cells=cells, differences=tuple(differences), origins=tuple(origins))


def _verify_transfer(folder: Path, measured: Sequence[Measured]) -> Verified:
    """The same of runs that were measured once more."""
    derived, cells = tables_of(measured), 0
    stored = {path.name.split(".")[0] for path in folder.glob("*.csv")}
    differences = [
        f"{stem}: stored, but not derived from the rows" for stem in sorted(stored - {t.name for t in derived})
    ]
    for table in derived:
        if table.name not in stored:
            differences.append(f"{table.name}: not stored")
            continue
        count, found = compare_table(table, folder)
        cells += count
        differences += [f"{table.name}: {text}" for text in found]
    origins = tuple(f"{one.run.name}: {one.what.dataset}, data fingerprint {one.what.fingerprint}" for one in measured)
    return Verified(tables=len(derived), cells=cells, differences=tuple(differences), origins=origins)


def derived_tables(results: ResultSet) -> list[Table]:
    """Every table that the report of these results has."""
    if results.design is not None:
        return study_tables(results)
    if results.perturbations:
        return robustness_tables(results)
    return suite_tables(results)


def compare_table(table: Table, folder: Path) -> tuple[int, list[str]]:
    """Number of cells and the differences between a table and its stored files: data, CSV and Markdown."""
    # Damage is a difference like any other, and is told with the rest.
    text = (folder / f"{table.name}.csv").read_text(encoding="utf-8", errors="replace")
    count, differences = _compare_csv(to_csv(table), text)
    data = folder / f"{table.name}{SUFFIX}"
    if data.is_file():
        stored = read_table(data)
        # Compared through the same renderer: what is not shown anywhere cannot mislead anyone.
        differences += [f"data: {text}" for text in _compare_csv(to_csv(table), to_csv(stored))[1]]
        differences += (
            ["data: caption or notes differ"] if (stored.caption, stored.notes) != (table.caption, table.notes) else []
        )
    page = folder / f"{table.name}.md"
    if page.is_file() and page.read_text(encoding="utf-8", errors="replace") != to_markdown(table):
        differences.append("the Markdown is not that of the derived table")
    return count, differences


def _compare_csv(derived: str, stored: str) -> tuple[int, list[str]]:
    try:
        first, second = (list(csv.DictReader(_lines(text))) for text in (derived, stored))
    except csv.Error as error:
        return 0, [f"the stored CSV cannot be read ({error})"]
    if len(first) != len(second):
        return 0, [f"{len(second)} rows stored, {len(first)} derived"]
    count, differences = 0, []
    for number, (ours, theirs) in enumerate(zip(first, second, strict=True)):
        for key in dict.fromkeys([*ours, *theirs]):
            count += 1
            if not _same(ours.get(key), theirs.get(key)):
                label = next(iter(ours.values()), str(number))
                differences.append(
                    f"row {number + 1} ({label}), {key}: stored {theirs.get(key)!r}, derived {ours.get(key)!r}"
                )
    return count, differences


def _lines(text: str) -> io.StringIO:
    """The CSV without its comment lines."""
    return io.StringIO("".join(line for line in text.splitlines(keepends=True) if not line.startswith("#")))


def _same(one: str | None, other: str | None) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one or "nan"), float(other or "nan"), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    # Cells beyond the last column come as a list.
    except (ValueError, TypeError):
        return False


def hash_differences(results: ResultSet, folder: Path) -> Iterator[str]:
    """Files that are not what they were when the report was made; nothing for a report that recorded no hashes.

    A file that did not travel with its run (a profile, the rows behind a table of patients) cannot be compared.
    """
    manifest = find_manifest(folder, kind_of(results))
    folders = {run.name: run.folder for run in results.runs}
    for name, stated in (manifest.hashes if manifest else {}).items():
        run, _, file = name.rpartition("/")
        home = folders.get(run) if run else folder
        if home is not None and (home / file).is_file() and sha256_file(home / file) != stated:
            yield f"{name} has changed since the report was made"


def identity_differences(run: RunResults) -> Iterator[str]:
    """What does not fit in a run's record: its name must end with the hash that its record states, its data be named."""
    identity = str(run.record.get("identity") or "")
    if identity and not run.name.endswith(f"-{identity}"):
        yield f"run {run.name} states the identity {identity}, which is not the one of its name"
    if not run.spec.get("data", {}).get("fingerprint"):
        yield f"run {run.name} does not say which data it was made with"
