"""A dataset written for another program: nnU-Net's raw layout, folders of PNG, or one NPZ per clip, and a map of the names.

The map, ``cases.csv``, says which case and frame every file is of; ``echobench score --map`` reads it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.clip import Clip, label_ids
from harness.data.dataset import SPLITS, ClipRefused, EchoDataset
from harness.data.sampling import class_table, structure_names
from harness.errors import DataError
from harness.files import inside, write_text
from harness.jobs import Progress

Format = Literal["nnunet", "png", "npz"]
MAP = "cases.csv"
_COLUMNS = ("file", "case", "frame", "split", "phase", "patient", "view", "spacing_row_mm", "spacing_col_mm", "labels")


@dataclass(kw_only=True, slots=True)
class Handover:
    """What was written.

    Attributes:
        folder: of everything; nnU-Net's dataset folder.
        rows: of the map, one per file.
        labels: label ids of the classes 1, 2, ... that were written; empty where label ids were written.
        every: of pictures, the step from one labelled frame to the next; ED and ES are always written.
        refused: sentences about clips that could not be read.
    """

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    labels: str = ""
    every: int = 1
    refused: list[str] = field(default_factory=list)

    def count(self, split: str) -> int:
        """Files of a split."""
        return sum(row["split"] == split for row in self.rows)


def hand_over(
    dataset: EchoDataset,
    folder: Path,
    kind: Format,
    *,
    structures: str = "lv",
    number: int = 501,
    every: int = 1,
    progress: bool = True,
) -> Handover:
    """Write the clips of a dataset at their native size; of ``nnunet`` and ``png`` the labelled frames, of ``npz`` whole clips.

    Args:
        dataset: verified.
        folder: new or empty. ``nnunet`` makes ``Dataset<number>_<name>`` in it, which is ``$nnUNet_raw/Dataset<number>_<name>``.
        kind: ``nnunet``: imagesTr, labelsTr (train and val), imagesTs, labelsTs (test), dataset.json, and the split in train and
            val as ``splits_final.json``; ``png``: ``<split>/images`` and ``<split>/masks``; ``npz``: ``<split>/<case>.npz``.
        structures: ``lv`` or ``all``; class k+1 is the k-th in ``nnunet``, the others hold label ids.
        number: of nnU-Net's dataset.
        every: of pictures, only every Nth labelled frame of a clip (N = ``every``), and ED and ES: a network that sees single frames learns
            little from the next one, which is nearly the same.
        progress: show how far it is.

    Raises:
        DataError: ``every`` with ``npz``, the folder holds something, a clip's name would lead out of it, or a file of the dataset is damaged.
    """
    if every > 1 and kind == "npz":
        raise DataError("--every leaves out pictures; --format npz writes whole clips.")
    name = re.sub(r"[^A-Za-z0-9]", "", dataset.name.title()) or "Echo"
    target = Path(folder) / f"Dataset{number:03d}_{name}" if kind == "nnunet" else Path(folder)
    if target.exists() and any(target.iterdir()):
        raise DataError(f"{target} is not empty; name a new folder, so that files of two exports cannot mix.")
    cases = [case for split in SPLITS for case in dataset.cases(split)]
    for case in cases:
        # Names of files are made of it; data of other readers have passed no check of names.
        inside(target, case.name, "A clip")
    target.mkdir(parents=True, exist_ok=True)
    written = Handover(folder=target, every=every)
    ids = label_ids(dataset.structures)
    table = class_table(structures, ids)
    chosen = tuple(ids[name] for name in structure_names(structures))
    if kind == "nnunet":
        # nnU-Net demands the classes 1..K without gaps; the map says which label each of them is.
        written.labels = " ".join(map(str, chosen))
    else:
        table = np.array([0, *chosen], dtype=np.uint8)[table]
    write = {"nnunet": _write_numbered, "png": _write_pictures, "npz": _write_clip}[kind]
    with Progress(f"exporting {dataset.name}", len(cases), shown=progress, unit="clips") as bar:
        for case in cases:
            try:
                clip = dataset.load(case)
            except ClipRefused as refusal:
                written.refused.append(str(refusal))
            else:
                written.rows += write(clip, table[clip.masks], written)
            bar.advance()
    _write_map(written)
    if kind == "nnunet":
        _write_description(written, structures)
    return written


def _write_numbered(clip: Clip, masks: NDArray[np.uint8], written: Handover) -> Iterator[dict[str, Any]]:
    """nnU-Net numbers its cases, and the images' names end in the number of the channel."""
    side = "Ts" if clip.case.split == "test" else "Tr"
    # From the number of earlier files, asked once: the list grows while these rows are taken.
    for number, frame in enumerate(_frames(clip, written.every), start=len(written.rows)):
        identifier = f"echo_{number:05d}"
        _picture(written.folder / f"images{side}" / f"{identifier}_0000.png", clip.frames[frame])
        _picture(written.folder / f"labels{side}" / f"{identifier}.png", masks[frame])
        yield _row(clip, identifier, int(frame))


def _write_pictures(clip: Clip, masks: NDArray[np.uint8], written: Handover) -> Iterator[dict[str, Any]]:
    for frame in _frames(clip, written.every):
        name = f"{clip.case.name}_{frame:04d}"
        _picture(written.folder / clip.case.split / "images" / f"{name}.png", clip.frames[frame])
        _picture(written.folder / clip.case.split / "masks" / f"{name}.png", masks[frame])
        yield _row(clip, name, int(frame))


def _write_clip(clip: Clip, masks: NDArray[np.uint8], written: Handover) -> Iterator[dict[str, Any]]:
    """What is not known is left out of the archive."""
    facts = {"spacing_mm": clip.spacing_mm, "ed": clip.ed, "es": clip.es, "frame_rate_hz": clip.frame_rate_hz}
    stated: dict[str, Any] = {name: np.asarray(value) for name, value in facts.items() if value is not None}
    path = written.folder / clip.case.split / f"{clip.case.name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, frames=clip.frames, masks=masks, labelled=clip.labelled, **stated)
    yield _row(clip, clip.case.name, None)


def _frames(clip: Clip, every: int) -> NDArray[np.int64]:
    """The labelled frames that are written, in time order."""
    labelled = np.flatnonzero(clip.labelled)
    # ED and ES are what is scored, whatever else is left out.
    ends = [frame for frame in (clip.ed, clip.es) if frame is not None]
    return np.union1d(labelled[::every], np.intersect1d(labelled, ends)).astype(np.int64)


def _row(clip: Clip, file: str, frame: int | None) -> dict[str, Any]:
    case, spacing = clip.case, clip.spacing_mm or ("", "")
    phase = "" if frame is None else clip.phase(frame)
    place = (file, case.name, "" if frame is None else frame, case.split, phase, case.patient, case.view, *spacing)
    return dict(zip(_COLUMNS[:-1], place, strict=True))


def _picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), pixels):
        raise DataError(f"{path} cannot be written; is the disk full or read-only?")


def _write_map(written: Handover) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "labels": written.labels} for row in written.rows)
    write_text(written.folder / MAP, stream.getvalue())


def _write_description(written: Handover, structures: str) -> None:
    """nnU-Net's description of the dataset, and our validation patients as its only fold."""
    labels = {"background": 0, **{name: index for index, name in enumerate(structure_names(structures), start=1)}}
    training = written.count("train") + written.count("val")
    content = {"channel_names": {"0": "ultrasound"}, "labels": labels, "numTraining": training, "file_ending": ".png"}
    write_text(written.folder / "dataset.json", json.dumps(content, indent=2) + "\n")
    fold = {part: [row["file"] for row in written.rows if row["split"] == part] for part in ("train", "val")}
    write_text(written.folder / "splits_final.json", json.dumps([fold], indent=2) + "\n")
