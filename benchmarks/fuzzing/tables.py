"""Readers of tables: rows of runs, lists that users write, maps of masks, tables of a report."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.reader import Reader, drawn_clip
from harness.evaluation.mask_files import MaskFolder
from harness.leftovers import remove
from harness.reporting.tables.stored import read_table, write_table
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.groups import read_groups
from harness.segment.listing import clips_of
from harness.store.formats.cases import CASES
from harness.store.formats.profile import PROFILE
from harness.store.formats.sweep import PATIENTS


def tables(folder: Path) -> list[Reader]:
    """All of them, with their files in a new folder."""
    folder.mkdir()
    row = {"run": "phantom/unet-small-s0-0123456789", "model": "unet", "seed": 0, "dataset": "phantom", "split": "test"}
    row |= {"view": "4CH", "frame": 0, "phase": "ED", "structure": "lv", "metric": "dice", "value": 0.9}
    cases = CASES.empty().reindex(range(3)).assign(**row, patient=["p1", "p2", "p3"])
    CASES.write(cases, folder / "cases.csv")
    profile = (
        PROFILE.empty().reindex(range(2)).assign(model="unet", size="small", mode="clip", status="ok", engine="eager")
    )
    PROFILE.write(profile.assign(median_ms=1.5, fps=30.0, busy=False), folder / "profile.csv")
    patients = (
        PATIENTS.empty()
        .reindex(range(2))
        .assign(perturbation="haze", severity=1, strength=0.5, patient="p", clip_hash="0")
    )
    PATIENTS.write(patients.assign(dice=90.0), folder / "robustness.csv.gz")
    (folder / "clips.csv").write_text(
        "clip,patient,view,spacing_row_mm,spacing_column_mm,frame_rate_hz\na.nii,p,4CH,0.3,0.4,30\n"
    )
    (folder / "groups.csv").write_text("patient,sex,age\np1,F,57\np2,M,60\n")
    masks = folder / "masks"
    masks.mkdir()
    np.save(masks / "p1_4CH.npy", drawn_clip()[1])
    (folder / "map.csv").write_text("file,case,frame,labels\np1_4CH.npy,p1_4CH,,1\n")
    cells = {"dice": Cell(value=90.0, low=88.0, high=92.0)}
    table = Table(name="t", title="T", stub="Model", columns=(Column(key="dice", header="Dice"),),
                  rows=(Row(label="U-Net", cells=cells),), caption="c", notes=("n",))  # fmt: skip
    write_table(table, folder)

    def text(name: str, read: Callable[[Path], Any], **options: Any) -> Reader:
        return Reader(name=name, file=folder / name, kind="text", read=lambda: read(folder / name), **options)

    return [
        text("cases.csv", CASES.read),
        text("profile.csv", PROFILE.read),
        text("robustness.csv.gz", PATIENTS.read, unpack=gzip.decompress, pack=lambda data: gzip.compress(data, 1)),
        text("clips.csv", lambda path: clips_of(path, beside=folder / "out")),
        text("groups.csv", read_groups),
        text(
            "map.csv", lambda path: [dict(MaskFolder(masks, names=path)), MaskFolder(masks, names=path).fingerprint()]
        ),
        Reader(name="table.json", file=folder / "t.table.json", kind="json", read=lambda: _shown(folder)),
    ]


def _shown(folder: Path) -> None:
    """A stored table as a page shows it again."""
    shown = folder / "shown"
    try:
        write_table(read_table(folder / "t.table.json"), shown)
    finally:
        remove(shown)
