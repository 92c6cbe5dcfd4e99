"""Parts of a page that other reports have written: robustness sweeps, further metrics and studies, taken up from disk.

The contract is a folder with a manifest (``store.formats.manifest``), its tables as data (``NAME.table.json``) and figures
``figures/*.png``, each with a ``.pdf`` of the same stem. A folder inside a suite's report belongs to that suite. A folder
beside it belongs to every suite of its dataset (a study).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.errors import DataError
from harness.files import canonical_hash
from harness.reporting.tables.stored import SUFFIX, read_table
from harness.reporting.tables.table import Table
from harness.store.formats.manifest import KINDS, read_manifest

T = TypeVar("T")
logger = logging.getLogger(__name__)
_INSIDE = tuple(kind for kind in KINDS if kind != "suite")
# Runs measured once more are a section of the report in whose folder they lie, and else a report of their own.
_BESIDE = tuple(kind for kind in _INSIDE if kind != "transfer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One part of the report.

    Attributes:
        key: identifier in the page.
        title: heading.
        folder: where it lies; ``relative_path`` is the same as seen from the report's folder, with forward slashes.
        command: what makes it again.
        mark: the dataset's mark or None.
        tables: in order, the summary first.
        figures: (file stem, caption).
    """

    key: str
    title: str
    folder: Path
    relative_path: str
    command: str
    mark: str | None
    tables: tuple[Table, ...]
    figures: tuple[tuple[str, str], ...]


def find_sections(report: Path, dataset: str) -> list[Section]:
    """The sections of the report in folder ``report``: those inside it, then studies of the same dataset beside it."""
    return [_read(path, Path(report)) for path in _manifests(Path(report), dataset)]


def fingerprint(report: Path, dataset: str) -> str:
    """A hash that changes when a section comes, goes or is written anew."""
    # Contents and not times of files: a copied folder is not a new section.
    paths = [path for manifest in _manifests(Path(report), dataset) for path in (manifest, *_tables(manifest))]
    return (
        canonical_hash({"texts": [path.read_text(encoding="utf-8", errors="replace") for path in paths]})
        if paths
        else ""
    )


def _manifests(report: Path, dataset: str) -> list[Path]:
    inside = [path for kind in _INSIDE for path in sorted(report.glob(f"*/{kind}.json"))]
    beside = [path for kind in _BESIDE for path in sorted(report.parent.glob(f"*/{kind}.json"))]
    whole = [path for path in inside if _or_none(read_manifest, path) is not None]
    # A study of another dataset says nothing about this one, wherever it lies.
    return whole + [path for path in beside if (read := _or_none(read_manifest, path)) and read.dataset == dataset]


def _or_none(read: Callable[[Path], T], path: Path) -> T | None:
    """What ``read`` makes of a file; None, with a word in the log, for a damaged one: a neighbour's damage stops no report."""
    try:
        return read(path)
    except DataError as error:
        logger.warning("%s It is left out of the page.", error)
        return None


def _tables(manifest: Path) -> list[Path]:
    paths = [manifest.parent / f"{name}{SUFFIX}" for name in read_manifest(manifest).tables]
    return [path for path in paths if path.is_file()]


def _read(path: Path, report: Path) -> Section:
    folder, manifest = path.parent, read_manifest(path)
    # A report of faults that pass lies in the suite's folder beside that of faults that are always there.
    name = folder.name if folder.parent == report.parent or folder.name != manifest.kind else ""
    return Section(
        key="-".join(filter(None, (manifest.kind, name))),
        title=manifest.title or manifest.name,
        folder=folder,
        # Relative and with forward slashes: the folder of reports is copied to other machines and served as it is.
        relative_path=Path(os.path.relpath(folder, report)).as_posix(),
        command=manifest.command,
        mark=manifest.mark,
        tables=tuple(table for file in _tables(path) if (table := _or_none(read_table, file)) is not None),
        figures=tuple(
            (stem, text) for stem, text in manifest.captions.items() if (folder / "figures" / f"{stem}.png").is_file()
        ),
    )
