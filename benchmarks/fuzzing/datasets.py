"""Readers of data sets: CAMUS's layout, EchoNet's, a folder of one's own, prepared and packed caches."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.reader import Reader, drawn_clip
from harness.data import EchoNet, Folder, Phantom, PreparedCache, check, pack, prepare, unpack
from harness.files import write_json
from harness.leftovers import remove
from harness.phantom.echonet_writer import EchoNetVideo, write_echonet
from harness.phantom.layout import patient_id, write_nifti, write_splits
from harness.phantom.parameters import PhantomParameters
from harness.phantom.root import generate, read_manifest


def _all_clips(dataset: Any) -> None:
    dataset.verify()
    for split in ("train", "val", "test"):
        for case in dataset.cases(split):
            dataset.load(case)


def datasets(folder: Path) -> list[Reader]:
    """All of them, with their files below a folder."""
    root = _phantom(folder / "phantom")
    patient = next((root / "database_nifti").iterdir())
    options: dict[str, Any] = {"views": ("4CH",), "clip": "ed_es"}
    cache = prepare(Phantom(root, **options), image_size=16, cache_root=folder / "cache", workers=1, progress=False)
    echonet = _echonet(folder / "echonet")
    own = _own_folder(folder / "own")
    packed = pack(cache, folder / "packed.tar.gz")

    def unpacked() -> None:
        target = folder / "unpacked"
        try:
            unpack(packed, target)
        finally:
            remove(target)

    def opened() -> None:
        held = PreparedCache.open(cache.path)
        for split in ("train", "val", "test"):
            for clip in held.split(split):
                clip.native_masks(), np.asarray(clip.frames).sum(), np.asarray(clip.masks).sum()

    def phantom() -> Any:
        return _all_clips(Phantom(root, **options))

    def videos() -> Any:
        return _all_clips(EchoNet(echonet))

    return [
        Reader(name="cfg of CAMUS", file=patient / "Info_4CH.cfg", kind="text", read=phantom),
        Reader(name="split list", file=root / "database_split" / "subgroup_training.txt", kind="text", read=phantom),
        Reader(name="phantom.json", file=root / "phantom.json", kind="json",
               read=lambda: (generate(root, patients=(1, 1, 1), pixel_mm=3.0, progress=False), read_manifest(root))),
        Reader(name="FileList.csv", file=echonet / "FileList.csv", kind="text", read=videos),
        Reader(name="VolumeTracings.csv", file=echonet / "VolumeTracings.csv", kind="text", read=videos),
        Reader(name="manifest.csv", file=own / "manifest.csv", kind="text", read=lambda: _all_clips(Folder(own))),
        Reader(name="labels.yaml", file=own / "labels.yaml", kind="text", read=lambda: _all_clips(Folder(own))),
        Reader(name="check of a folder", file=own / "manifest.csv", kind="text", read=lambda: check(Folder(own), workers=1)),
        Reader(name="manifest of a cache", file=cache.path / "manifest.json", kind="json", read=opened),
        Reader(name="packed cache", file=packed, kind="binary", read=unpacked),
        Reader(name="packed cache, inside the gzip", file=packed, kind="binary", read=unpacked,
               unpack=gzip.decompress, pack=lambda data: gzip.compress(data, 1)),
    ]  # fmt: skip


def _phantom(root: Path) -> Path:
    """The layout of a phantom with its own writers; the pictures are discs, because a real phantom takes seconds."""
    parameters = PhantomParameters(patients=(1, 1, 1), pixel_mm=3.0)
    frames, masks = drawn_clip()
    for index in range(3):
        patient = patient_id(index)
        place = root / "database_nifti" / patient
        place.mkdir(parents=True)
        for phase, frame in (("ED", 0), ("ES", 3)):
            write_nifti(place / f"{patient}_4CH_{phase}.nii.gz", frames[frame], 0.4)
            write_nifti(place / f"{patient}_4CH_{phase}_gt.nii.gz", masks[frame], 0.4)
        (place / "Info_4CH.cfg").write_text(
            "ED: 1\nES: 4\nNbFrame: 4\nSex: F\nAge: 57\nImageQuality: Good\nEF: 63\nFrameRate: 56.5\n"
        )
    write_splits(root, parameters)
    write_json(root / "phantom.json", {"parameters": parameters.manifest(), "patients": {}})
    return root


def _echonet(root: Path) -> Path:
    frames, masks = drawn_clip()
    ends = {0: masks[0], 3: masks[3]}
    facts: dict[str, Any] = {"frames": frames, "masks": ends, "ef_percent": 55.5, "edv_ml": 100, "esv_ml": 44.5}
    splits = (("0XA", "train"), ("0XB", "val"), ("0XC", "test"))
    return write_echonet(root, [EchoNetVideo(name=name, split=split, **facts) for name, split in splits])


def _own_folder(root: Path) -> Path:
    root.mkdir()
    frames, masks = drawn_clip()
    np.savez(root / "a.npz", video=frames, mask=masks)
    columns = (
        "clip",
        "mask",
        "patient",
        "split",
        "view",
        "frame_rate_hz",
        "spacing_row_mm",
        "spacing_col_mm",
        "ed",
        "es",
    )
    with open(root / "manifest.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, "labelled", "ef_percent", "sex"])
        for patient, split in (("p1", "train"), ("p2", "val"), ("p3", "test")):
            writer.writerow(["a.npz#video", "a.npz#mask", patient, split, "4CH", 25, 0.3, 0.4, 0, 3, "0 3", 55, "F"])
    (root / "labels.yaml").write_text("lv: 1\nrv: [7, 9]\n")
    return root
