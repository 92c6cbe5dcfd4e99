"""The manifest of a report's folder: from which runs it was made, by which command, and what lies in it.

``suite.json``, ``robustness.json``, ``study.json`` and ``transfer.json`` are one format; the file's name says which kind of report it is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import DataError
from harness.files import is_inside, read_json, write_text
from harness.schema import parsed

Kind = Literal["suite", "robustness", "study", "transfer"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a report was made from.

    Attributes:
        kind: which kind of report.
        name, title: the report's name, and its heading where it is a section of another.
        dataset, mark: as the runs state them.
        reference: label of the model that the others are compared with.
        command: what makes the report again.
        runs: names of the runs, in the order of the table.
        tables: file stems, in order.
        captions: figure → what it shows, in order.
        sections: hash of the sections that the page took up; empty where there were none.
        condition: key of the condition that the runs share (``results.condition``); empty where they may differ.
        criteria: primary endpoint and margins of the suite (``statistics.margins``); empty: the defaults.
        hashes: file → SHA-256 of what the report was made from (``<run>/<file>``) and of its own tables, when it was made.
        accepted: run of other code that was accepted → ``mark``, and the ``code`` that it stands for.
        measured: of runs measured once more: run → key of its evaluation (``formats.evaluation``).
    """

    kind: Kind
    name: str
    dataset: str
    runs: tuple[str, ...]
    title: str = ""
    mark: str | None = None
    reference: str = ""
    command: str = ""
    tables: tuple[str, ...] = ()
    captions: dict[str, str] = field(default_factory=dict)
    sections: str = ""
    condition: str = ""
    criteria: dict[str, Any] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, dict[str, str]] = field(default_factory=dict)
    measured: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the manifest into a report's folder, atomically; returns the path."""
        path = Path(folder) / f"{self.kind}.json"
        # The kind is the file's name; stated twice it could differ.
        content = {key: value for key, value in asdict(self).items() if key != "kind" and (value or key != "measured")}
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")  # not sorted: figures in their order
        return path


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from its file; the file's stem is the kind.

    Raises:
        DataError: it is none.
    """
    kind = next((kind for kind in KINDS if kind == path.stem), None)
    content = read_json(path)
    if kind is None or not isinstance(content, dict) or not {"name", "dataset", "runs"} <= set(content):
        raise DataError(f"{path} is no manifest of a report; make the report again.")
    if problem := _problem(content):
        raise DataError(f"{path} is no manifest of a report: {problem}; make the report again.")
    # Keys of a later version are passed over: an older echobench still reads the report.
    chosen = {key: value for key, value in content.items() if key in Manifest.__slots__}
    return parsed(Manifest, {**chosen, "kind": kind}, str(path), "make the report again")


def _problem(content: dict[str, Any]) -> str | None:
    """What keeps a file's content from being a manifest; None where nothing does."""
    texts = [content[key] for key in ("name", "dataset") if key in content]
    names = [content.get(key, []) for key in ("runs", "tables")]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(item, list) for item in names):
        return "a value is of another kind"
    # Each of these becomes part of a path.
    strange = [name for name in [*texts[:1], *names[0], *names[1]] if not is_inside(name)]
    if strange:
        return f"the name {str(strange[0])[:80]!r} may not become a path"
    for key in ("captions", "accepted", "measured"):
        if not isinstance(content.get(key, {}), dict):
            return f"its {key} are no table"
    strange = [key for key in (content.get("measured") or {}).values() if not is_inside(str(key))]
    if strange:
        return f"the name {str(strange[0])[:80]!r} may not become a path"
    return None


def find_manifest(folder: Path, *kinds: Kind) -> Manifest | None:
    """The manifest in a folder, of the first of these kinds that is there (all, in order, by default); None for none."""
    for kind in kinds or KINDS:
        if (path := Path(folder) / f"{kind}.json").is_file():
            return read_manifest(path)
    return None
