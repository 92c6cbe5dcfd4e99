"""Data sets that state what no heart has, are damaged, or have another unit: asked of ``data check`` and of ``bench``."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from bad_input.item import ACCEPTED, HUNG, TRACEBACK, Item, Place, Said, Work
from harness.phantom.echonet_writer import EchoNetVideo, write_echonet

TINY = ("--models", "unet", "--recipe", "smoke", "--seeds", "0", "--set", "models.unet.widths=(4,8)",
        "--set", "profile.warmup=1", "--set", "profile.repeats=1", "--set", "profile.patience_s=0")  # fmt: skip
Edit = Callable[[Path], object]


def camus(place: Place, edit: Edit, train: bool = True) -> list[Said]:
    """What ``data check`` and (``train``) ``bench`` say of a root in CAMUS's layout, of four patients, after an edit."""
    (source,) = [path.parent for path in place.made.glob("data/*/database_nifti")]
    root = shutil.copytree(source, place.folder / "root")
    (root / "phantom.json").unlink()
    edit(root)
    check = place.echobench("data", "check", "root", "--dataset", "camus", "--views", "4CH", "--workers", "1")
    options = ("--dataset", "camus", "--root", "root", "--allow-partial", "--views", "4CH", *TINY)
    return [check, *([place.echobench("bench", *options)] if train else [])]


def both(edit: Edit, codes: tuple[int, int] = (1, 2)) -> Work:
    """Both verbs; what is wrong of either stands first in what is said."""

    def work(place: Place) -> Said:
        check, bench = camus(place, edit)
        ended = (check.code, bench.code) == codes and "Traceback" not in check.text
        # What data check calls sound must not end bench: that was the fault.
        text = f"{'' if ended else f'check {check.code}, bench {bench.code}: {check.text} '}{bench.text}"
        return Said(code=bench.code if ended else -1, text=text)

    return work


def cfg(line: str) -> Edit:
    """One line of a patient's cfg."""

    def edit(root: Path) -> None:
        path = next(iter(sorted(root.glob("database_nifti/*/Info_4CH.cfg"))))
        key = line.partition(":")[0]
        kept = [text for text in path.read_text().splitlines() if not text.startswith(f"{key}:")]
        path.write_text("\n".join([*kept, line]) + "\n")

    return edit


def image(change: Callable[[Any], Any], every: bool = False) -> Edit:
    """An image of the root (or every one) as nibabel has it, changed."""

    def edit(root: Path) -> None:
        paths = sorted(root.glob("database_nifti/*/*_4CH_*.nii.gz"))
        chosen = paths if every else [path for path in paths if "_gt" not in path.name][:1]
        for path in chosen:
            made = nibabel.Nifti1Image.from_bytes(nibabel.load(path).to_bytes())
            nibabel.save(change(made) or made, path)

    return edit


def pixel_size(size: float) -> Edit:
    """Every header states this side of a pixel."""

    def change(made: Any) -> None:
        made.header["pixdim"][1:3] = size

    return image(change, every=True)


def _rgb(made: Any) -> Any:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    return nibabel.Nifti1Image(np.zeros(made.shape, kind), np.eye(4))


def _claim(root: Path) -> None:
    import gzip

    path = next(iter(sorted(root.glob("database_nifti/*/*_4CH_ED.nii.gz"))))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[40:48] = np.array([3, 32767, 32767, 32767], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(raw), 1))


def _zeros_behind(root: Path) -> None:
    import gzip

    path = next(iter(sorted(root.glob("database_nifti/*/*_4CH_ED.nii.gz"))))
    raw = gzip.decompress(path.read_bytes())
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(raw)
        for _ in range(3 << 10):
            stream.write(bytes(1 << 20))


def _listed(name: str) -> Edit:
    def edit(root: Path) -> None:
        path = root / "database_split" / "subgroup_training.txt"
        path.write_text(path.read_text() + f"{name}\n")

    return edit


def _unreadable(root: Path) -> None:
    (sorted((root / "database_nifti").iterdir())[0]).chmod(0)


def _as_nobody(place: Place) -> Said:
    from bad_input.item import NOBODY

    (source,) = [path.parent for path in place.made.glob("data/*/database_nifti")]
    root = shutil.copytree(source, place.folder / "root")
    (root / "phantom.json").unlink()
    for path in (place.folder, *place.folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    _unreadable(root)
    check = place.echobench("data", "check", "root", "--dataset", "camus", "--workers", "1", user=NOBODY)
    options = ("--dataset", "camus", "--root", "root", "--allow-partial", "--views", "4CH", *TINY)
    bench = place.echobench("bench", *options, user=NOBODY)
    ended = check.code in (1, 2) and bench.code == 2 and "Traceback" not in check.text
    return bench if ended else Said(code=-1, text=f"check {check.code}: {check.text} bench {bench.code}: {bench.text}")


def _metres(place: Place) -> Said:
    """The same root in metres and in millimetres must give the same rows."""

    def metres(made: Any) -> None:
        made.header["pixdim"][1:3] /= 1000
        made.header.set_xyzt_units("meter", "unknown")

    values = []
    for name, edit in (("mm", lambda root: None), ("m", image(metres, every=True))):
        folder = place.folder / name
        folder.mkdir()
        said = camus(Place(folder=folder, made=place.made), edit)[1]
        if said.code:
            return said
        (rows,) = folder.glob("results/runs/camus/*/cases.csv")
        with open(rows, newline="") as stream:
            values.append([row["value"] for row in csv.DictReader(stream) if row["metric"].startswith("hd95")])
    same = np.allclose(*(np.array(column, float) for column in values), rtol=1e-4, equal_nan=True)
    return Said(code=0 if same and len(values[0]) else -1, text=f"{len(values[0])} distances, equal: {same}")


def echonet(column: str, value: str, table: str = "FileList.csv") -> Work:
    """A cell of a table of EchoNet's layout, for both verbs."""

    def work(place: Place) -> Said:
        frames = np.arange(4 * 32 * 32, dtype=np.uint8).reshape(4, 32, 32)
        mask = np.zeros((32, 32), bool)
        mask[8:24, 10:20] = True
        facts: dict[str, Any] = {
            "frames": frames,
            "masks": {0: mask, 3: mask},
            "ef_percent": 55.5,
            "edv_ml": 9,
            "esv_ml": 4,
        }
        splits = (("A", "train"), ("B", "val"), ("C", "test"))
        root = write_echonet(
            place.folder / "root", [EchoNetVideo(name=name, split=split, **facts) for name, split in splits]
        )
        with open(root / table, newline="") as stream:
            rows = list(csv.DictReader(stream))
        rows[0][column] = value
        with open(root / table, "w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        check = place.echobench("data", "check", "root", "--dataset", "echonet", "--workers", "1")
        bench = place.echobench("bench", "--dataset", "echonet", "--root", "root", "--allow-partial", *TINY)
        ended = check.code in (1, 2) and bench.code == 2 and "Traceback" not in check.text
        return (
            bench if ended else Said(code=-1, text=f"check {check.code}: {check.text} bench {bench.code}: {bench.text}")
        )

    return work


def data() -> list[Item]:
    """All of them."""
    m4, m8, silent = "M4: units and pixel sizes", "M8: values and kinds of clips", "Minor: values taken in silence"
    shown = "cannot be meant and counts as unknown|pixel size"
    items = [
        Item(kind=m4, name="every file in metres: distances as in mm", before="0.160 mm for 160.3", work=_metres, codes=(0,)),
        *(Item(kind=m4 if np.isfinite(size) else m8, name=f"pixdim {size}", before=before, work=both(pixel_size(size), (0, 0)), codes=(0,), words=shown)
          for size, before in ((0.0, "taken as 1 mm"), (-0.3, "taken as 0.3 mm"), (float("nan"), TRACEBACK), (float("inf"), TRACEBACK))),
        *(Item(kind=m8, name=f"cfg {line}", before=before, work=both(cfg(line)), words="must be")
          for line, before in (("EF: inf", TRACEBACK), ("EF: -nan", TRACEBACK), ("FrameRate: inf", TRACEBACK))),
        *(Item(kind=silent, name=f"cfg {line}", before=ACCEPTED, work=both(cfg(line)), words="must be")
          for line in ("EF: 9999", "EF: -50", "EF: 1e6", "FrameRate: 0", "FrameRate: -1")),
        Item(kind=m8, name="a NIfTI of colours", before=TRACEBACK, work=both(image(_rgb)), words="holds colours"),
        Item(kind=silent, name="a NIfTI of complex numbers", before=ACCEPTED, words="holds colours or other compound",
             work=both(image(lambda made: nibabel.Nifti1Image(np.ones(made.shape, np.complex64), np.eye(4))))),
        Item(kind=m8, name="a packed header that claims 32767 pixels a side", before=TRACEBACK, work=both(_claim), words="claims"),
        Item(kind="Minor: archives and bombs", name="3 GB of zeros behind a packed image", before="unpacked whole, no errors",
             work=both(_zeros_behind), words="holds more than 1024 MB"),
        Item(kind="M6: text that is markup", name="a patient [/b] in a split list", before=TRACEBACK, work=both(_listed("[/b]"), (0, 0)), words=r"\[/b\]", codes=(0,)),
        Item(kind="M5: places that cannot be written or read", name="a patient's folder that may not be read", before=TRACEBACK,
             work=_as_nobody, words="Permission denied|may not be used"),
        *(Item(kind=m8, name=f"FileList.csv with an empty {column}", before=TRACEBACK, work=echonet(column, ""), words="FileList.csv")
          for column in ("Split", "FileName")),
        *(Item(kind=silent, name=f"FileList.csv {column} {value}", before=ACCEPTED, work=echonet(column, value), words=column)
          for column, value in (("EF", "9999"), ("EF", "-50"), ("EF", "1e6"), ("FPS", "0"), ("FPS", "-1"), ("NumberOfFrames", "-1"), ("NumberOfFrames", "1e30"))),
        *(Item(kind=silent, name=f"VolumeTracings.csv {column} {value}", before=ACCEPTED, work=echonet(column, value, "VolumeTracings.csv"), words="VolumeTracings")
          for column, value in (("Frame", "-5"), ("Frame", "1.5"), ("X1", "1e30"))),
        Item(kind=silent, name="masks of background alone", before=ACCEPTED, codes=(0,), words="empty mask",
             work=_check_only(image_masks(0))),
        Item(kind="Minor: pipes", name="a pipe in an image's place", before=HUNG, work=both(_pipe), words="no regular file"),
    ]  # fmt: skip
    return items


def image_masks(value: int) -> Edit:
    """The masks of one patient have nothing but this value."""

    def edit(root: Path) -> None:
        for path in sorted(root.glob("database_nifti/patient0001/*_4CH_*_gt.nii.gz")):
            made: Any = nibabel.load(path)
            nibabel.save(nibabel.Nifti1Image(np.full(made.shape, value, np.uint8), made.affine), path)

    return edit


def _check_only(edit: Edit) -> Work:
    """``data check`` alone has to name it: a study may hold such a frame."""
    return lambda place: camus(place, edit, train=False)[0]


def _pipe(root: Path) -> None:
    path = next(iter(sorted(root.glob("database_nifti/*/*_4CH_ED.nii.gz"))))
    path.unlink()
    os.mkfifo(path)
