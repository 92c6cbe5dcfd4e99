"""The report of finished runs measured once more: tables, a page, and the manifest from which both are made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.errors import DataError
from harness.files import sha256_file, write_text
from harness.reporting.page.page import transfer_page
from harness.reporting.tables.stored import SUFFIXES, write_table
from harness.reporting.tables.table import Table
from harness.reporting.tables.transfer import transfer_tables
from harness.results.result_set import shared_structure
from harness.results.transfer import Rows, as_tested, tested_arms
from harness.store.formats.cases import CASES
from harness.store.formats.evaluation import Evaluated, read_evaluated
from harness.store.formats.manifest import Manifest, find_manifest
from harness.store.runs import Run, RunStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A run, on what it was measured, and the rows."""

    run: Run
    what: Evaluated
    rows: pd.DataFrame

    @property
    def home(self) -> bool:
        """Whether the run was trained on these data."""
        return self.what.fingerprint == self.run.spec.data["fingerprint"]

    @property
    def same_test(self) -> bool:
        """Whether these are the patients that the run was tested on, measured alike: its own rows are those."""
        return as_tested(self.run, self.what)


def tables_of(measured: Sequence[Measured]) -> list[Table]:
    """Trained on × tested on, the losses with tests, and every metric; the runs' own test rows stand beside those of other data.

    Raises:
        ConfigError: runs that share no structure.
    """
    structure = shared_structure([one.run for one in measured])
    beside = any(not one.home for one in measured) or all(one.same_test for one in measured)
    rows: list[Rows] = [(one.run, None, one.run.rows()) for one in measured] if beside else []
    rows += [(one.run, one.what, one.rows) for one in measured if not (beside and one.same_test)]
    return transfer_tables(tested_arms(rows), structure=structure)


def write_transfer(measured: Sequence[Measured], folder: Path, command: str = "") -> tuple[list[Table], list[Path]]:
    """Write tables, ``index.html`` and ``transfer.json``; returns the tables and the paths, the manifest last."""
    folder, tables = Path(folder), tables_of(measured)
    written = [path for table in tables for path in write_table(table, folder)]
    told = [(one.run.name, _words(one.what)) for one in measured]
    write_text(folder / "index.html", transfer_page(folder.name, tables, told, command))
    hashes = {
        f"{one.run.name}/{path.parent.name}/{path.name}": sha256_file(path)
        for one in measured
        if (path := one.what.folder(one.run.path) / CASES.file).is_file()
    }
    hashes |= {path.name: sha256_file(path) for path in written if path.name.endswith(SUFFIXES)}
    manifest = Manifest(
        kind="transfer",
        name=folder.name,
        title="Runs measured once more",
        dataset=" and ".join(dict.fromkeys(one.what.dataset for one in measured)),
        mark="; ".join(dict.fromkeys(one.what.mark for one in measured if one.what.mark)) or None,
        command=command,
        runs=tuple(dict.fromkeys(one.run.name for one in measured)),
        tables=tuple(table.name for table in tables),
        measured={one.run.name: one.what.key for one in measured},
        hashes=hashes,
    )
    return tables, [*written, folder / "index.html", manifest.write(folder)]


def read_transfer(folder: Path, results_dir: Path) -> list[Measured] | None:
    """What the report in a folder was made from; None where there is none of this kind.

    Raises:
        BenchError: a run, or its rows on those data, are no longer in the store.
    """
    manifest = find_manifest(folder, "transfer")
    if manifest is None:
        return None
    store, found = RunStore(results_dir), []
    for name, key in manifest.measured.items():
        run = store.get(name)
        what = read_evaluated(run.path, key)
        rows = what.folder(run.path) / CASES.file
        if not rows.is_file():
            raise DataError(f"The run {name} has no rows of {what.dataset} any more; evaluate it again.")
        found.append(Measured(run=run, what=what, rows=CASES.read(rows)))
    return found


def transfers_in(folder: Path) -> list[Path]:
    """Folders of such reports inside a suite's report: what ``bench --metrics`` measured."""
    return sorted(path.parent for path in Path(folder).glob("*/transfer.json"))


def _words(what: Evaluated) -> str:
    """On what a run was measured, in a line."""
    how = [*(["all frames"] if what.all_frames else []), *(["kept masks"] if what.from_masks else [])]
    chosen = [f"{what.dataset}, {' and '.join(what.views)}, {what.clip}, {what.split} patients", *how]
    chosen += [", ".join(Path(name).stem for name in what.metrics), *what.notes, *([what.mark] if what.mark else [])]
    return "; ".join(chosen)
