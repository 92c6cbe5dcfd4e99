"""Parts of a report that other rooms have written: robustness sweeps and ablation studies, taken up from disk.

The contract is a folder, and nothing of the room that wrote it is imported:

- a manifest ``<kind>.json`` with ``command`` and ``dataset``, and optionally ``title``, ``mark``, ``tables`` (file stems in order)
  and ``captions`` (text per figure);
- tables ``*.md`` as ``render_text.to_markdown`` writes them, each with a ``.tex`` of the same stem;
- figures ``figures/*.png``, each with a ``.pdf`` of the same stem.

A folder inside a suite's report belongs to that suite. A folder beside it belongs to every suite of its dataset (a study).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import canonical_hash, read_json
from harness.reporting.render.read_markdown import read_markdown
from harness.reporting.tables.table import Table

KINDS = {"robustness": "Robustness", "study": "Ablation study"}
"""Manifests (file stems) that mark a folder as a section, and what the section is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One part of the report.

    Attributes:
        key: identifier in the page.
        title: heading.
        folder: where it lies; ``place`` is the same as seen from the report's folder, with forward slashes.
        command: what makes it again.
        mark: the dataset's mark or None.
        tables: in order, the summary first.
        figures: (file stem, caption).
    """

    key: str
    title: str
    folder: Path
    place: str
    command: str
    mark: str | None
    tables: tuple[Table, ...]
    figures: tuple[tuple[str, str], ...]


def find_sections(report: Path, dataset: str) -> list[Section]:
    """The sections of the report in folder ``report``: those inside it, then studies of the same dataset beside it."""
    return [_read(manifest, Path(report)) for manifest in _manifests(Path(report), dataset)]


def fingerprint(report: Path, dataset: str) -> str:
    """A hash that changes when a section comes, goes or is written anew."""
    found = _manifests(Path(report), dataset)
    texts = [path.read_text(encoding="utf-8") for one in found for path in [one, *sorted(one.parent.glob("*.md"))]]
    return canonical_hash({"texts": texts}) if found else ""


def _manifests(report: Path, dataset: str) -> list[Path]:
    inside = [path for kind in KINDS for path in sorted(report.glob(f"*/{kind}.json"))]
    beside = [path for kind in KINDS for path in sorted(report.parent.glob(f"*/{kind}.json"))]
    return inside + [path for path in beside if read_json(path).get("dataset") == dataset]


def _read(manifest: Path, report: Path) -> Section:
    folder, content = manifest.parent, read_json(manifest)
    tables = tuple(read_markdown(path.read_text(encoding="utf-8"), path.stem) for path in _tables(folder, content))
    name = folder.name if folder.parent == report.parent else ""
    kind = KINDS[manifest.stem]
    captions = content.get("captions", {})
    figures = sorted(path.stem for path in (folder / "figures").glob("*.png"))
    ordered = [stem for stem in captions if stem in figures] + [stem for stem in figures if stem not in captions]
    return Section(
        key="-".join(filter(None, (manifest.stem, name))),
        title=content.get("title") or (f"{kind}: {name}" if name else kind),
        folder=folder,
        place=_place(folder, report),
        command=content.get("command", ""),
        mark=content.get("mark"),
        tables=tables,
        figures=tuple((stem, captions.get(stem) or _words(stem)) for stem in ordered),
    )


def _tables(folder: Path, content: dict[str, Any]) -> list[Path]:
    """Tables in the manifest's order; those that it does not name follow by name, the shortest name (the summary) first."""
    found = {path.stem: path for path in sorted(folder.glob("*.md"))}
    named = [stem for stem in content.get("tables", []) if stem in found]
    rest = sorted((stem for stem in found if stem not in named), key=lambda stem: ("_" in stem, stem))
    return [found[stem] for stem in [*named, *rest]]


def _place(folder: Path, report: Path) -> str:
    return Path(os.path.relpath(folder, report)).as_posix()


def _words(stem: str) -> str:
    """A file stem as a caption of last resort: ``severity_dice`` is "Severity dice."."""
    words = stem.replace("_", " ").strip()
    return f"{words[:1].upper()}{words[1:]}."
