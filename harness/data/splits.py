"""Split lists in the CAMUS manner: one text file per split, one patient id per line."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

from harness.data.dataset import SPLITS
from harness.data.findings import shorten
from harness.errors import DataError

FILES = {"train": "subgroup_training.txt", "val": "subgroup_validation.txt", "test": "subgroup_testing.txt"}


def find_split_folder(candidates: list[Path]) -> Path | None:
    """The first folder that holds a split list, or None."""
    for folder in candidates:
        if any((folder / name).is_file() for name in FILES.values()):
            return folder
    return None


def read_split_lists(folder: Path) -> dict[str, tuple[str, ...]]:
    """Patient ids of each split, in the order of the lists.

    Raises:
        DataError: a list is missing, unreadable or empty, names a patient twice, or shares one with another list.
    """
    lists = {split: _read_list(folder / FILES[split]) for split in SPLITS}
    for split, ids in lists.items():
        twice = [name for name, count in Counter(ids).items() if count > 1]
        if twice:
            raise DataError(
                f"The split list {folder / FILES[split]} names {shorten(twice)} twice; remove the repetition."
            )
    for one, other in combinations(SPLITS, 2):
        # A patient in two lists makes every figure of the test too good.
        shared = sorted(set(lists[one]) & set(lists[other]))
        if shared:
            raise DataError(
                f"The split lists {FILES[one]} and {FILES[other]} in {folder} overlap: {shorten(shared)} would leak "
                f"from {one} to {other}; keep every patient in one list."
            )
    return lists


def _read_list(path: Path) -> tuple[str, ...]:
    try:
        # utf-8-sig: Windows editors put a byte-order mark before the first patient.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"The split list {path} is missing; give a complete folder with --split-dir PATH.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The split list {path} cannot be read ({error}); restore it.") from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise DataError(f"The split list {path} is empty; it needs one patient id per line.")
    return ids
