"""What is compared after a round of kills: whatever a command computes, byte by byte; what is measured in seconds is left out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from harness.leftovers import HALF_WRITTEN, in_folders, leftovers, remove
from harness.store.formats.cases import CASES
from harness.store.runs import RunStore

WEIGHTS_AND_ROWS = ("best.pth", "cases.csv", "pictures.npz", "masks.nii.gz", "areas.csv", "summary.json")
TIMED = ("profile.csv", "cost", "log.jsonl", "table.csv", "trade_off")
"""Words in names of files that hold seconds."""


def compared(folder: Path, verb: str) -> Iterator[Path]:
    """Files of a folder that the verb computes and that hold no seconds, as paths below it."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        timed = verb != "report" and any(word in path.name for word in TIMED)
        if (
            not path.is_file()
            or timed
            or path.name in ("profile.csv", "log.jsonl")
            or relative.parts[0] in ("data", "tmp")
        ):
            continue
        sweep = path.suffix in (".csv", ".gz") and "robustness" in relative.parts
        # `report` has the same runs before it, with the same seconds in them; others measured them anew.
        report = relative.parts[0] == "reports" and path.suffix in (".csv", ".png", ".pdf", ".tex", ".md", ".html")
        figures = report and verb == "report"
        own = relative.parts[0] in ("own", "exported")
        if path.name in WEIGHTS_AND_ROWS or sweep or figures or own or (report and path.suffix == ".csv"):
            yield relative


def differing(verb: str, expected: Path, got: Path) -> tuple[int, list[str]]:
    """How many files were compared, and the names of those that differ or are not there."""
    files = list(compared(expected, verb))
    same = (got / path for path in files)
    pairs = zip(files, same, strict=True)
    wrong = [path.as_posix() for path, other in pairs if not _equal(expected / path, other)]
    return len(files), wrong


def _equal(path: Path, other: Path) -> bool:
    return other.is_file() and other.read_bytes() == path.read_bytes()


def damaged(folder: Path) -> list[str]:
    """Sentences about records and rows of a store that cannot be read."""
    store = RunStore(folder / "results" / "runs")
    sentences = list(store.damaged().values())
    for run in store.all():
        path = run.path / CASES.file
        try:
            CASES.read(path) if path.is_file() else None
        except Exception as error:
            sentences.append(str(error))
    return sentences


def clean(folder: Path) -> tuple[int, list[str]]:
    """Do what ``echobench runs --clean`` and the next ``segment`` do; returns how much was removed, and what is left all the same."""
    # What is younger than a second may be somebody's who has not locked it yet, and is let be.
    time.sleep(1.1)
    left = [
        path for path in in_folders(folder / "results", folder / "data", folder / "reports") if folder in path.parents
    ]
    left += leftovers([*(folder / "tmp").iterdir(), *(folder / "segmented").rglob(HALF_WRITTEN)])
    for path in left:
        remove(path)
    stay = [path for path in folder.rglob("*") if path.name.endswith((".tmp", ".partial"))]
    return len(left), [path.relative_to(folder).as_posix() for path in stay]
