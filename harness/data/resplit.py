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
from harness.data.dataset import EchoDataset
from harness.data.findings import Finding
from harness.data.inspection import duplicates
from harness.data.prepared import FRAMES, MASKS, NATIVE, ClipRecord, PreparedCache
from harness.errors import DataError

SHARING = "sharing"
"""Key of a manifest: lists of clips (patient, view) that have a frame with the same pixels."""
_SHARED = ("image_size", "structures", "resampling", "format")


def other_fold(header: Mapping[str, Any], target: Path, cases: list[Case]) -> PreparedCache | None:
    """A prepared cache of another fold that holds exactly these clips, or None.

    Whether a picture that two clips share lies in two splits depends on the fold: a cache that says that there are such clips and
    not which ones (of earlier versions) is not taken.
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
        sound = SHARING in there or not any(finding.check == "duplicates" for finding in cache.findings)
        sound = sound and not any(finding.check == "leakage" for finding in cache.findings)
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
    return {
        "files": cache.manifest["files"],
        "clips": [record.to_json() for record in moved],
        "refused": [],
        SHARING: cache.manifest.get(SHARING, []),
    }


def other_findings(
    dataset: EchoDataset, shared: PreparedCache, content: dict[str, Any], cases: list[Case]
) -> list[Finding]:
    """The findings of clips that another fold has prepared; of pictures that clips share, by the splits of this one.

    Notes are left out, as in every cache.
    """
    by_clip = {(case.patient, case.view): case for case in cases}
    groups = [tuple(by_clip[patient, view] for patient, view in group) for group in content[SHARING]]
    kept = (finding for finding in shared.findings if finding.check not in ("splits", "duplicates"))
    found = dict.fromkeys([*dataset.layout(), *kept, *duplicates(groups)])
    return [finding for finding in found if finding.level != "note"]
