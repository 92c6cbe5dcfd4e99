"""Every reader of the harness with a real file for it: what its own writer, or the library that others write with, has made."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import torch
from PIL import Image

from fuzzing.mutations import Kind
from harness.data import EchoNet, Folder, Phantom, PreparedCache, check, pack, prepare, unpack
from harness.data.media.source import open_source
from harness.data.media.volume import read_volume
from harness.data.metaimage import read_metaimage
from harness.data.nifti import read_frames
from harness.data.video import read_avi, read_rate, write_avi
from harness.evaluation.mask_files import MaskFolder
from harness.files import write_json
from harness.leftovers import remove
from harness.phantom.echonet_writer import EchoNetVideo, write_echonet
from harness.phantom.layout import patient_id, write_nifti, write_splits
from harness.phantom.parameters import PhantomParameters
from harness.phantom.root import generate, read_manifest
from harness.reporting.manifest import list_reports, read_suite
from harness.reporting.sections import find_sections
from harness.reporting.tables.stored import read_table, write_table
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.groups import read_groups
from harness.results.pictures import CasePicture, load_pictures, save_pictures
from harness.results.run_list import list_runs
from harness.results.run_results import read_run
from harness.results.study import archived_study
from harness.segment.listing import clips_of
from harness.store.formats.archive import ArchivedRun, StudyArchive
from harness.store.formats.cases import CASES
from harness.store.formats.manifest import Manifest, find_manifest
from harness.store.formats.profile import PROFILE
from harness.store.formats.study import Cell as StudyCell
from harness.store.formats.study import Factor, StudyDefinition
from harness.store.formats.sweep import PATIENTS
from harness.store.lease import FOLDER, Watch, acquire, look
from harness.store.runs import RunStore
from harness.store.spec import RunSpec
from harness.tensors import mismatch
from harness.training import checkpoints

SHAPE = (4, 24, 20)
Bytes = Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        name: for tables.
        file: what is changed.
        kind: how.
        read: reads it with everything that a user's command would read of it.
        unpack, pack: changes are made to the unpacked content, so that they lie behind checksums and compression.
    """

    name: str
    file: Path
    kind: Kind
    read: Callable[[], Any]
    unpack: Bytes = bytes
    pack: Bytes = bytes


def readers(folder: Path) -> list[Reader]:
    """All readers, with their files below an empty folder."""
    made = [
        *_media(folder / "media"),
        *_datasets(folder),
        *_tables(folder / "tables"),
        *_store(folder),
        *_weights(folder),
    ]
    return made


def _clip() -> tuple[np.ndarray, np.ndarray]:
    """Grey levels and masks [T, H, W] of a disc that shrinks."""
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]]
    masks = np.stack([np.hypot(rows - 12, columns - 10) < radius for radius in np.linspace(8, 5, SHAPE[0])]).astype(
        np.uint8
    )
    noise = np.random.default_rng(0).integers(0, 90, masks.shape)
    return (noise + 100 * masks).astype(np.uint8), masks


def _frames(path: Path) -> None:
    """As ``segment`` and a dataset read a clip: frame by frame, and whole."""
    for _ in islice(open_source(path).frames(), 200):
        pass
    read_volume(path)


def _media(folder: Path) -> list[Reader]:
    folder.mkdir()
    frames, _ = _clip()
    image = nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.diag([0.3, 0.4, 1, 1]))
    image.header.set_zooms((0.3, 0.4, 1.0))
    for name in ("a.nii", "b.nii.gz"):
        nibabel.save(image, folder / name)
    _write_metaimage(folder / "a.mha", frames)
    write_avi(folder / "a.avi", frames, 25.0)
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (SHAPE[2], SHAPE[1]))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    _write_dicom(folder / "a.dcm", frames)
    _write_dicom(folder / "rle.dcm", frames, compress=True)
    stills = [Image.fromarray(frame) for frame in frames]
    stills[0].save(folder / "a.png")
    for name in ("a.tif", "a.gif"):
        stills[0].save(folder / name, save_all=True, append_images=stills[1:])
    np.savez_compressed(folder / "a.npz", video=frames)
    np.save(folder / "a.npy", frames)

    def media(name: str, file: str, **options: Any) -> Reader:
        return Reader(name=name, file=folder / file, kind="binary", read=lambda: _frames(folder / file), **options)

    nifti = media("NIfTI", "a.nii")
    avi = media("AVI", "a.avi")
    return [
        replace(nifti, read=lambda: (_frames(nifti.file), read_frames(nifti.file))),
        media("NIfTI, packed", "b.nii.gz"),
        media("NIfTI, inside the gzip", "b.nii.gz", unpack=gzip.decompress, pack=lambda data: gzip.compress(data, 1)),
        replace(
            media("MetaImage", "a.mha"),
            kind="text",
            read=lambda: (_frames(folder / "a.mha"), read_metaimage(folder / "a.mha")),
        ),
        replace(avi, read=lambda: (_frames(avi.file), read_avi(avi.file), read_rate(avi.file))),
        media("MP4", "a.mp4"),
        media("DICOM", "a.dcm"),
        media("DICOM, run length", "rle.dcm"),
        *(media(name, f"a.{name.lower()[:3]}") for name in ("PNG", "TIFF", "GIF", "NPZ", "NPY")),
    ]


def _write_metaimage(path: Path, frames: np.ndarray) -> None:
    """As its documentation has it: no library that we depend on writes this format."""
    size = " ".join(map(str, frames.shape[::-1]))
    head = f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = False\nElementSpacing = 0.3 0.2 1\nDimSize = {size}\n"
    path.write_bytes(f"{head}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode() + frames.tobytes())


def _write_dicom(path: Path, frames: np.ndarray, compress: bool = False) -> None:
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless, UltrasoundMultiFrameImageStorage, generate_uid

    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType = 1, 1
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 1, 1
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 18, 22
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.03
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = UltrasoundMultiFrameImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.NumberOfFrames, data.Rows, data.Columns = frames.shape
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.FrameTime = 7, 0, "40"
    data.SequenceOfUltrasoundRegions = [region]
    data.PixelData = frames.tobytes()
    if compress:
        data.compress(RLELossless, generate_instance_uid=False)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


def _all_clips(dataset: Any) -> None:
    dataset.verify()
    for split in ("train", "val", "test"):
        for case in dataset.cases(split):
            dataset.load(case)


def _datasets(folder: Path) -> list[Reader]:
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
    frames, masks = _clip()
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
    frames, masks = _clip()
    ends = {0: masks[0], 3: masks[3]}
    facts: dict[str, Any] = {"frames": frames, "masks": ends, "ef_percent": 55.5, "edv_ml": 100, "esv_ml": 44.5}
    splits = (("0XA", "train"), ("0XB", "val"), ("0XC", "test"))
    return write_echonet(root, [EchoNetVideo(name=name, split=split, **facts) for name, split in splits])


def _own_folder(root: Path) -> Path:
    root.mkdir()
    frames, masks = _clip()
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


def _tables(folder: Path) -> list[Reader]:
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
    np.save(masks / "p1_4CH.npy", _clip()[1])
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


def _spec(seed: int = 0) -> RunSpec:
    return RunSpec(
        model={"name": "unet", "size": "small", "label": "U-Net", "build": {"type": "UNet"}, "custom_imports": []},
        data={
            "dataset": "phantom",
            "views": ["4CH"],
            "clip": "half",
            "fingerprint": "x",
            "mark": None,
            "image_size": 32,
        },
        recipe={"image_size": 32, "clip_length": 4, "augment": "paper"},
        seed=seed,
        protocol={"first_frame": "auto", "structures": "lv"},
    )


def _consistent(data: bytes) -> bytes:
    """A record whose name and identity are those of its changed spec: what somebody would do who forges one."""
    try:
        record = json.loads(data)
        spec = RunSpec(**record["spec"])
        record |= {"name": spec.folder, "identity": spec.identity}
        return json.dumps(record).encode("utf-8", "surrogatepass")
    except Exception:
        return data


def _store(folder: Path) -> list[Reader]:
    store = RunStore(folder / "runs")
    runs = [store.open(_spec(seed)) for seed in (0, 1)]
    for run in runs:
        (folder / "tables" / "cases.csv").rename(run.path / "cases.csv") if run is runs[0] else None
        run.finish(best_iteration=1, device="cpu", precision="fp32")
    (folder / "tables" / "cases.csv").write_bytes((runs[0].path / "cases.csv").read_bytes())
    names = tuple(run.name for run in runs)
    reports = folder / "reports"
    suite = Manifest(
        kind="suite", name="s", dataset="phantom", runs=names, tables=("table",), captions={"a": "A"}
    ).write(reports / "s")
    sweep = Manifest(kind="study", name="w", dataset="phantom", runs=names, tables=("t",)).write(reports / "w")
    (reports / "w" / "t.table.json").write_bytes((folder / "tables" / "t.table.json").read_bytes())
    archive = _archive(folder / "archive", runs[0].record)

    def listed() -> None:
        list_runs(store.all()), store.damaged(), [read_run(run) for run in store.opened(names)[0]]

    def reported() -> None:
        list_reports(reports), find_manifest(reports / "s"), read_suite("s", reports, store.root)

    def leased() -> None:
        look(runs[1].path)
        lease = acquire(runs[1].path, Watch(), limit_s=60)
        lease.release() if hasattr(lease, "release") else None
        for path in (runs[1].path / FOLDER).glob("*.json"):
            path.unlink() if path != claim else None

    held = acquire(runs[1].path, Watch(), limit_s=60)
    claim = next((runs[1].path / FOLDER).glob("*.json"))
    held.release() if hasattr(held, "release") else None
    return [
        Reader(name="run.json", file=runs[0].path / "run.json", kind="json", read=listed),
        Reader(name="run.json, forged", file=runs[0].path / "run.json", kind="json", read=listed, pack=_consistent),
        Reader(name="suite.json", file=suite, kind="json", read=reported),
        Reader(name="study.json beside", file=sweep, kind="json", read=lambda: find_sections(reports / "s", "phantom")),
        Reader(name="archive.json", file=archive / "archive.json", kind="json", read=lambda: archived_study(archive)),
        Reader(name="runs.json", file=archive / "runs.json", kind="json", read=lambda: archived_study(archive)),
        Reader(name="lease", file=claim, kind="json", read=leased),
    ]


def _archive(folder: Path, record: dict[str, Any]) -> Path:
    levels: dict[str, dict[str, Any]] = {"8": {}, "6": {"models.unet.widths": [4, 6]}}
    factor = Factor(name="width", label="Width", levels=levels)
    study = StudyDefinition(name="tiny", kind="grid", model="unet", seeds=(0,), factors=(factor,))
    cells = (StudyCell(levels={"width": "8"}, overrides={}),)
    run = ArchivedRun(cell=cells[0].key, seed=0, record=record, rows=CASES.empty(), profile=None)
    trial = {
        "state": "COMPLETE",
        "value": 0.5,
        "params": {},
        "distributions": {},
        "user_attrs": {},
        "intermediate_values": {"1": 0.5},
    }
    facts: dict[str, Any] = {"name": "tiny", "command": "echobench ablate", "dataset": "phantom", "mark": None}
    StudyArchive(**facts, definition=study, cells=cells, runs=(run,), trials=(trial,)).write(folder)
    return folder


def _weights(folder: Path) -> list[Reader]:
    place = folder / "checkpoints"
    place.mkdir()
    state = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}
    checkpoints.save(place / "best.pth", {"model": state, "iteration": 1, "score": 0.5})
    checkpoints.save_last(place, {"format": checkpoints.FORMAT, "job": "j", "model": state, "iteration": 1})
    frames, masks = _clip()
    save_pictures(
        place,
        [
            CasePicture(
                label="U-Net", patient="p", view="4CH", dice=90.0, frames=frames, reference=masks, predicted=masks
            )
        ],
    )

    def best() -> str | None:
        return mismatch(state, checkpoints.load(place / "best.pth").get("model"))

    inside = "data.pkl"
    return [
        Reader(name="checkpoint", file=place / "best.pth", kind="binary", read=best),
        Reader(name="checkpoint, inside the archive", file=place / "best.pth", kind="binary", read=best,
               unpack=lambda data: _member(data, inside), pack=_repacked(place / "best.pth", inside)),
        Reader(name="last checkpoint", file=place / "last.pth", kind="binary", read=lambda: checkpoints.load_last(place, "j")),
        Reader(name="pictures.npz", file=place / "pictures.npz", kind="binary", read=lambda: load_pictures(place)),
        Reader(name="pictures.npz, inside", file=place / "pictures.npz", kind="binary", read=lambda: load_pictures(place),
               unpack=lambda data: _member(data, "meta.npy"), pack=_repacked(place / "pictures.npz", "meta.npy")),
    ]  # fmt: skip


def _member(data: bytes, ending: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(ending)))


def _repacked(path: Path, ending: str) -> Bytes:
    """Puts a member into a copy of an archive, with the checksum of its new content."""
    original = path.read_bytes()

    def repack(content: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(stream, "w") as new:
            for item in old.infolist():
                new.writestr(item.filename, content if item.filename.endswith(ending) else old.read(item.filename))
        return stream.getvalue()

    return repack
