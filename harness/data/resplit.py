"""A prepared cache of another fold: the same clips in other splits, so that k folds take the room and time of one."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.clip import Case
from harness.data.prepared import FRAMES, MASKS, NATIVE, ClipRecord, PreparedCache
from harness.errors import DataError

_SHARED = ("image_size", "structures", "resampling", "format")


def other_fold(header: Mapping[str, Any], target: Path, cases: list[Case]) -> PreparedCache | None:
    """A prepared cache of another fold that holds exactly these clips, or None.

    One whose clips share pixels is not taken: whether a duplicate lies between two splits depends on the fold.
    """
    division = _division(header["options"])
    if division is None:
        return None
    wanted = {(case.patient, case.view) for case in cases}
    for path in sorted(target.parent.glob(f"{glob.escape(target.name.rpartition('-')[0])}-*")):
        try:
            cache = PreparedCache.open(path)
        except DataError:
            continue
        there = cache.manifest
        alike = _division(there["options"]) == division and not there.get("refused")
        alike = alike and all(there[key] == header[key] for key in _SHARED)
        sound = not any(finding.check in ("duplicates", "leakage") for finding in cache.findings)
        if alike and sound and {(record.case.patient, record.case.view) for record in cache.records} == wanted:
            return cache
    return None


def _division(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options that all folds of a division share; None where there is no fold."""
    if "fold" not in options:
        return None
    return {**options, "fold": {key: value for key, value in options["fold"].items() if key != "test"}}


def share_clips(cache: PreparedCache, folder: Path, cases: list[Case]) -> dict[str, Any]:
    """Files of a cache once more in ``folder`` (linked where the disk can), and what its manifest says of them, by new splits."""
    for name in (FRAMES, MASKS, NATIVE):
        try:
            os.link(cache.path / name, folder / name)
        except OSError:  # other disks and some network file systems have no second name for a file
            shutil.copyfile(cache.path / name, folder / name)
    records = {(record.case.patient, record.case.view): record for record in cache.records}
    moved: list[ClipRecord] = [replace(records[case.patient, case.view], case=case) for case in cases]
    return {"files": cache.manifest["files"], "clips": [record.to_json() for record in moved], "refused": []}
