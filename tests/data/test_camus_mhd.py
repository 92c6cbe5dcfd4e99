"""The old mhd release: read with its anisotropic pixels, recognised, and never mixed with the NIfTI release."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data import Camus, CamusMhd, check
from harness.data.camus_cfg import read_info
from harness.data.metaimage import read_metaimage
from harness.data.nifti import read_frames
from harness.data.recognise import recognise
from harness.errors import DataError

HEIGHT, WIDTH, FRAMES = 60, 40, 4
SPLITS = {"training": 1, "validation": 2, "testing": 3}


def write_mhd(path: Path, pixels: np.ndarray) -> None:
    depth, height, width = pixels.shape
    path.with_suffix(".raw").write_bytes(pixels.tobytes())
    path.write_text(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = False\n"
        f"ElementSpacing = 0.308 0.154 1.54\nDimSize = {width} {height} {depth}\n"
        f"ElementType = MET_UCHAR\nElementDataFile = {path.with_suffix('.raw').name}\n"
    )


@pytest.fixture
def root(tmp_path: Path, heart_mask: Callable[..., np.ndarray]) -> Path:
    """A root of three patients; patient 3 was stored from ES to ED."""
    lists = tmp_path / "old/database_split"
    lists.mkdir(parents=True)
    for split, number in SPLITS.items():
        (lists / f"subgroup_{split}.txt").write_text(f"patient{number:04d}\n")
        folder = tmp_path / f"old/training/patient{number:04d}"
        folder.mkdir(parents=True)
        for view in ("2CH", "4CH"):
            masks = np.stack([heart_mask(radius, HEIGHT, WIDTH) for radius in np.linspace(9, 5, FRAMES)])
            frames = (
                masks * 50 + np.arange(FRAMES, dtype=np.uint8)[:, None, None] + 3 * number + 60 * (view == "4CH")
            ).astype(np.uint8)
            stem = folder / f"patient{number:04d}_{view}"
            order = slice(None, None, -1) if number == 3 else slice(None)
            write_mhd(stem.with_name(f"{stem.name}_sequence.mhd"), frames[order])
            for phase, index in (("ED", 0), ("ES", -1)):
                write_mhd(stem.with_name(f"{stem.name}_{phase}.mhd"), frames[index][None])
                write_mhd(stem.with_name(f"{stem.name}_{phase}_gt.mhd"), masks[index][None])
            ends = f"ED: {FRAMES}\nES: 1" if number == 3 else f"ED: 1\nES: {FRAMES}"
            (folder / f"Info_{view}.cfg").write_text(
                f"{ends}\nNbFrame: {FRAMES}\nImageQuality: Poor\nLVedv: 94.0\nLVesv: 34.6\nLVef: 63.2\n"
            )
    return tmp_path / "old"


@pytest.mark.parametrize("inner", ["", "training"])
def test_a_root_is_read_with_tall_pixels_and_values_of_the_cfg(root: Path, inner: str) -> None:
    dataset = CamusMhd(root / inner, clip="ed_es")
    dataset.verify()
    clip = dataset.load(dataset.cases("train")[0])
    assert clip.frames.shape == (2, HEIGHT, WIDTH)
    assert clip.spacing_mm == (0.154, 0.308)
    assert (clip.ef_percent, clip.frame_rate_hz, clip.quality) == (63.2, None, "Poor")
    assert (clip.masks[0] == 1).sum() > (clip.masks[1] == 1).sum()


@pytest.mark.parametrize(("split", "ed"), [("train", 0), ("test", FRAMES - 1)])
def test_a_sequence_takes_the_masks_of_its_stills_at_its_ends(root: Path, split: str, ed: int) -> None:
    dataset = CamusMhd(root)
    clip = dataset.load(dataset.cases(split)[1])
    assert (clip.ed, clip.es) == (ed, FRAMES - 1 - ed)
    assert clip.labelled.tolist() == [True, False, False, True]
    assert not clip.interpolated.any()
    assert not clip.masks[1:-1].any()
    assert (clip.masks[clip.ed] == 1).sum() > (clip.masks[clip.es] == 1).sum()
    assert clip.notes == (["order: the half sequence runs from ES to ED"] if ed else [])


def test_the_check_finds_nothing_wrong(root: Path) -> None:
    levels = {finding.level for finding in check(CamusMhd(root), workers=1)}
    assert levels == {"note"}


def test_each_release_is_refused_by_the_reader_of_the_other(root: Path, camus_root_shared: Path) -> None:
    with pytest.raises(DataError, match="--dataset camus_mhd"):
        Camus(root).verify()
    with pytest.raises(DataError, match="use --dataset camus for it"):
        CamusMhd(camus_root_shared).verify()


def test_a_mixture_of_releases_is_refused(root: Path, camus_root: Path) -> None:
    for path in (root / "training/patient0001").glob("*ED.*"):
        shutil.copy(path, camus_root / "database_nifti/patient0001")
    for reader in (Camus, CamusMhd):
        with pytest.raises(DataError, match="mixes files of both CAMUS releases"):
            reader(camus_root / "database_nifti").verify()


def test_each_layout_is_recognised(root: Path, camus_root_shared: Path, tmp_path: Path) -> None:
    assert recognise(root) == recognise(root / "training") == "camus_mhd"
    assert recognise(camus_root_shared) == recognise(camus_root_shared / "database_nifti") == "camus"
    (tmp_path / "FileList.csv").touch()
    assert recognise(tmp_path) == "echonet"
    (camus_root_shared / "phantom.json").touch()
    assert recognise(camus_root_shared) == "phantom"
    (camus_root_shared / "phantom.json").unlink()


def test_missing_raw_files_of_the_sequences_ask_for_the_stills(root: Path) -> None:
    for path in root.glob("training/*/*_sequence.raw"):
        path.unlink()
    with pytest.raises(DataError, match=r"half sequences.*--clip ed_es"):
        CamusMhd(root).verify()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("MET_UCHAR", "MET_FLOAT", "holds 2400 bytes instead of 9600"),
        ("CompressedData = False", "CompressedData = True", "is damaged"),
        ("DimSize = 40 60 1", "DimSize = 40 sixty 1", "is damaged"),
        ("DimSize", "Dimension", "is damaged"),
        ("DimSize = 40 60 1", "DimSize = 41 60 1", "holds 2400 bytes instead of 2460"),
    ],
)
def test_a_damaged_header_is_one_sentence(root: Path, old: str, new: str, words: str) -> None:
    path = root / "training/patient0001/patient0001_2CH_ED.mhd"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=words):
        read_metaimage(path)


def test_a_cut_raw_file_and_an_unknown_label_are_one_sentence(root: Path) -> None:
    dataset = CamusMhd(root, clip="ed_es")
    raw = root / "training/patient0001/patient0001_2CH_ED_gt.raw"
    content = bytearray(raw.read_bytes())
    content[5] = 9
    raw.write_bytes(content)
    with pytest.raises(DataError, match="unknown label 9"):
        dataset.load(dataset.cases("train")[0])
    os.truncate(raw, 7)
    with pytest.raises(DataError, match="holds 7 bytes instead of 2400"):
        dataset.load(dataset.cases("train")[0])


def test_no_lists_ask_for_their_folder(root: Path, tmp_path: Path) -> None:
    (root / "database_split").rename(tmp_path / "lists")
    with pytest.raises(DataError, match="--split-dir PATH"):
        CamusMhd(root).verify()
    CamusMhd(root, split_dir=tmp_path / "lists").verify()


def test_the_real_old_release_is_read(shared: Path, tmp_path: Path) -> None:
    for split, number in SPLITS.items():
        (tmp_path / f"subgroup_{split}.txt").write_text(f"patient{number:04d}\n")
    dataset = CamusMhd(shared / "data/camus_samples/mhd_release", clip="ed_es", split_dir=tmp_path)
    dataset.verify()
    clip = dataset.load(dataset.cases("train")[0])
    assert clip.frames.shape == (2, 778, 549)
    assert clip.spacing_mm == (0.154, 0.308)
    assert clip.ef_percent == 63.2
    assert set(np.unique(clip.masks)) == {0, 1, 2, 3}
    rows = [np.nonzero(clip.masks[0] == label)[0].mean() for label in (1, 3)]
    assert rows[0] < rows[1], "the LV lies above the left atrium"
    with pytest.raises(DataError, match="--clip ed_es"):
        CamusMhd(shared / "data/camus_samples/mhd_release", split_dir=tmp_path).verify()


def test_real_cfg_files_and_a_real_half_sequence_are_read(shared: Path) -> None:
    info = read_info(shared / "data/camus_samples/cfg/patient0233/Info_2CH.cfg")
    assert (info.ed, info.es, info.frames, info.ef_percent, info.frame_rate_hz) == (1, 22, 22, 63, 56.5)
    assert (info.quality, info.sex, info.age) == ("Good", "F", 57)
    old = read_info(shared / "data/camus_samples/mhd_release/training/patient0001/Info_2CH.cfg")
    assert (old.edv_ml, old.esv_ml, old.ef_percent) == (94.0, 34.6, 63.2)
    path = shared / "data/camus_samples/half_sequence/patient0500/patient0500_2CH_half_sequence.nii.gz"
    volume = read_frames(path)
    assert volume.pixels.shape == (15, 422, 512)
    assert volume.spacing_mm == pytest.approx((0.308, 0.308))
