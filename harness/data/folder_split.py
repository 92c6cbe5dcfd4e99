"""Who is in which split: the manifest's column, split lists, or a drawing by patient where there is neither."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.dataset import SPLITS
from harness.data.findings import Finding, shorten
from harness.data.folder_manifest import ManifestRow
from harness.data.splits import find_split_folder, list_names, read_split_lists, tested_in_folds
from harness.errors import DataError
from harness.vocabulary import counted

SHARES = {"val": 0.1, "test": 0.2}
"""Shares of the patients where nobody has split them; the rest is trained on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Splitting:
    """The split of each patient, what stands beside results because of it, findings, and the files that it was read from."""

    of: dict[str, str]
    mark: str | None = None
    findings: tuple[Finding, ...] = ()
    files: tuple[Path, ...] = ()


def assign_splits(
    rows: Sequence[ManifestRow], *, seed: int, split_dir: Path | None, fold: int | None = None, folds: int = 5
) -> Splitting:
    """The split of every patient.

    Args:
        rows: of the manifest.
        seed: of the drawing, used where no row has a split.
        split_dir: folder of split lists that replace the column.
        fold, folds: see ``Folder``.

    Raises:
        DataError: a patient in two splits, rows with and without a split, or a split folder without lists.
    """
    if split_dir is not None:
        return _from_lists(rows, split_dir, fold)
    stated: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        stated[row.patient].add(row.split)
    if leaking := sorted(patient for patient, splits in stated.items() if len(splits) > 1):
        raise DataError(
            f"The manifest puts {counted(len(leaking), 'patient')} into more than one split ({shorten(leaking)}): what is learnt of a "
            "patient would be tested on the same one; give all rows of a patient one split."
        )
    splits = {patient: next(iter(names)) for patient, names in stated.items()}
    if not any(splits.values()):
        return _drawn(sorted(splits), seed) if fold is None else _drawn_fold(sorted(splits), seed, fold, folds)
    if without := sorted(patient for patient, split in splits.items() if not split):
        raise DataError(
            f"The manifest gives no split for {counted(len(without), 'patient')} ({shorten(without)}); give all or none one."
        )
    numbers = sorted({int(split) for split in splits.values() if split.isdigit()})
    if not numbers:
        if fold is not None:
            raise DataError("The manifest's column split names train, val and test and no folds; leave --fold out.")
        return Splitting(of=splits)
    if words := sorted({split for split in splits.values() if not split.isdigit()}):
        raise DataError(
            f"The manifest's column split holds numbers of folds and {shorten(words)}; give all rows one or the other."
        )
    if fold not in numbers or len(numbers) < len(SPLITS):
        shown = shorten(map(str, numbers), limit=10)
        raise DataError(
            f"The manifest's column split holds the folds {shown} (at least 3 are needed); choose one with --fold."
        )
    return Splitting(of=_by_fold(splits, fold, numbers), mark=f"fold {fold} of {len(numbers)}")


def fold_groups(rows: Sequence[ManifestRow], *, seed: int, split_dir: Path | None, folds: int) -> dict[str, int]:
    """The fold in which each patient is tested; empty where lists or column give splits and no folds. See ``assign_splits``."""
    there = sorted({row.patient for row in rows})
    if split_dir is not None:
        tested = tested_in_folds([split_dir])
        return {patient: tested[patient] for patient in there if patient in tested}
    stated = {row.patient: row.split for row in rows}
    if not any(stated.values()):
        return _deal(there, seed, folds)
    return {patient: int(split) for patient, split in stated.items() if split.isdigit()}


def _deal(patients: list[str], seed: int, folds: int) -> dict[str, int]:
    """Patients in folds of nearly equal size."""
    order = np.random.default_rng(seed).permutation(len(patients))
    return {patients[index]: position % folds for position, index in enumerate(order)}


def _by_fold(groups: dict[str, str], fold: int, numbers: list[int]) -> dict[str, str]:
    """Splits from folds: this one is the test, the next one (cyclically) validation, the rest training."""
    val = numbers[(numbers.index(fold) + 1) % len(numbers)]
    words = {fold: "test", val: "val"}
    # As numbers: tables are filled with 1 as well as with 01.
    return {patient: words.get(int(group), "train") for patient, group in groups.items()}


def _from_lists(rows: Sequence[ManifestRow], folder: Path, fold: int | None) -> Splitting:
    names = list_names(fold)
    if find_split_folder([folder], fold) is None:
        raise DataError(f"There are no split lists in {folder} ({', '.join(names.values())}); correct --split-dir.")
    lists = read_split_lists(folder, fold)
    of = {patient: split for split, ids in lists.items() for patient in ids}
    there = {row.patient for row in rows}
    findings = []
    for patients, text in (
        (sorted(there - set(of)), "in no split list and therefore unused"),
        (sorted(set(of) - there), "in a split list but in no row of the manifest"),
    ):
        if patients:
            message = f"{shorten(patients)} {text}"
            findings.append(Finding(level="warning", check="splits", message=message, count=len(patients)))
    return Splitting(
        of={patient: split for patient, split in of.items() if patient in there},
        findings=tuple(findings),
        mark=None if fold is None else f"fold {fold}",
        files=tuple(folder / names[split] for split in SPLITS),
    )


def _drawn(patients: list[str], seed: int) -> Splitting:
    if len(patients) < len(SPLITS):
        raise DataError(
            f"The manifest has no splits and only {len(patients)} patients; at least three are needed to draw train, val and test."
        )
    order = np.random.default_rng(seed).permutation(len(patients))
    # At least one patient each: a split without cases cannot be used.
    sizes = {split: max(1, round(share * len(patients))) for split, share in SHARES.items()}
    names = [split for split, size in sizes.items() for _ in range(size)]
    names += ["train"] * (len(patients) - len(names))
    of = {patients[index]: split for index, split in zip(order, names, strict=False)}
    number = Counter(of.values())
    text = f"split drawn by patient with seed {seed} ({'/'.join(str(number[split]) for split in SPLITS)})"
    return Splitting(of=of, mark=text, findings=(Finding(level="warning", check="splits", message=text),))


def _drawn_fold(patients: list[str], seed: int, fold: int, folds: int) -> Splitting:
    """Patients dealt into folds of nearly equal size, the same for every fold that is asked for."""
    if not 0 <= fold < folds or len(patients) < folds or folds < len(SPLITS):
        raise DataError(
            f"There are {len(patients)} patients and {folds} folds, counted from 0; fold {fold} cannot be tested "
            "(dataset.folds says how many, at least 3)."
        )
    groups = {patient: str(group) for patient, group in _deal(patients, seed, folds).items()}
    text = f"fold {fold} of {folds} drawn by patient with seed {seed}"
    found = (Finding(level="warning", check="splits", message=text),)
    return Splitting(of=_by_fold(groups, fold, list(range(folds))), mark=text, findings=found)
