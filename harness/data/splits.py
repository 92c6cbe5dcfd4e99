"""Split lists in the CAMUS manner: one text file per split, one patient id per line."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

from harness.data.dataset import SPLITS
from harness.data.findings import shorten
from harness.errors import DataError

FILES = {"train": "subgroup_training.txt", "val": "subgroup_validation.txt", "test": "subgroup_testing.txt"}


FOLD_LIST = re.compile(r"subGroup(\d+)_testing\.txt")


def list_names(fold: int | None = None) -> dict[str, str]:
    """File names of the lists: those of the one split, or of a fold (``subGroup3_training.txt``, as the owners' ten folds are)."""
    if fold is None:
        return FILES
    return {split: name.replace("subgroup", f"subGroup{fold}") for split, name in FILES.items()}


def find_split_folder(candidates: list[Path], fold: int | None = None) -> Path | None:
    """The first folder that holds a split list (of the fold), or None."""
    for folder in candidates:
        if any((folder / name).is_file() for name in list_names(fold).values()):
            return folder
    return None


def folds_in(candidates: list[Path]) -> list[int]:
    """Numbers of the folds whose lists lie in the folders."""
    names = [path.name for folder in candidates if folder.is_dir() for path in folder.iterdir()]
    return sorted({int(match[1]) for name in names if (match := FOLD_LIST.fullmatch(name))})


def tested_in_folds(candidates: list[Path]) -> dict[str, int]:
    """The fold in whose test list each patient stands, of the fold lists in the folders.

    Raises:
        DataError: a patient is tested in two folds: it would be counted twice in a cross-validation.
    """
    tested: dict[str, int] = {}
    for fold in folds_in(candidates):
        folder = find_split_folder(candidates, fold)
        for patient in read_split_lists(folder, fold)["test"] if folder else ():
            if tested.setdefault(patient, fold) != fold:
                raise DataError(
                    f"The lists in {folder} test {patient} in the folds {tested[patient]} and {fold}; keep every patient in one test list."
                )
    return tested


def read_split_lists(folder: Path, fold: int | None = None) -> dict[str, tuple[str, ...]]:
    """Patient ids of each split, in the order of the lists.

    Raises:
        DataError: a list is missing, unreadable or empty, names a patient twice, or shares one with another list.
    """
    names = list_names(fold)
    lists = {split: _read_list(folder / names[split]) for split in SPLITS}
    for split, ids in lists.items():
        twice = [name for name, count in Counter(ids).items() if count > 1]
        if twice:
            raise DataError(
                f"The split list {folder / names[split]} names {shorten(twice)} twice; remove the repetition."
            )
    for one, other in combinations(SPLITS, 2):
        # A patient in two lists makes every figure of the test too good.
        shared = sorted(set(lists[one]) & set(lists[other]))
        if shared:
            raise DataError(
                f"The split lists {names[one]} and {names[other]} in {folder} overlap: {shorten(shared)} would leak "
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
