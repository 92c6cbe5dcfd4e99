"""``echobench data``: the table of findings, preparing, packing; exit codes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from harness.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and everything printed, as on the command line; runs of blanks are one blank."""
    with pytest.raises(SystemExit) as caught:
        main(["data", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), re.sub(r"[\s│]+", " ", out + err)


def swap(root: Path, one: str, other: str) -> None:
    images = root / "database_nifti"
    first, second = images / one, images / other
    keep = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(keep)


def test_a_good_root_has_no_errors(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    code, text = run(capsys, "check", camus_root)
    assert code == 0
    for part in (
        "4 patient folders", "train: 2 patients listed, 4 clips usable", "2CH: 4 clips, 4CH: 4 clips",
        "4 to 7 per clip", "0.308 x 0.308 mm (8 clips)", "background, lv, myo, la found", "LV area at ED larger than at ES in 8 of 8 clips", "mean 63.0",
        "runs from ES to ED: patient0003_2CH", "no patient is in two splits", "no frame occurs in two clips",
    ):  # fmt: skip
        assert part in text


def test_a_root_without_sequences_is_checked_as_stills(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    for path in camus_root.glob("database_nifti/*/*half*"):
        path.unlink()
    code, text = run(capsys, "check", camus_root)
    assert code == 0
    assert "clip ed_es" in text
    assert "half sequences are absent" in text


def test_damage_is_listed_clip_by_clip_and_ends_with_one(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    for name in ("patient0001/patient0001_2CH", "patient0007/patient0007_4CH"):
        os.truncate(camus_root / f"database_nifti/{name}_half_sequence.nii.gz", 100)
    code, text = run(capsys, "check", camus_root)
    assert code == 1
    assert "1 error, 1 warning." in text  # both clips have the same fault: told once
    assert "2 clips" in text


def test_fast_reads_no_pixels(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    os.truncate(camus_root / "database_nifti/patient0001/patient0001_2CH_half_sequence.nii.gz", 100)
    assert run(capsys, "check", camus_root, "--fast")[0] == 0


def test_the_same_pixels_in_two_splits_are_an_error(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    images = camus_root / "database_nifti"
    for part in ("half_sequence", "half_sequence_gt", "ED"):
        shutil.copy(
            images / f"patient0007/patient0007_4CH_{part}.nii.gz", images / f"patient0003/patient0003_4CH_{part}.nii.gz"
        )
    code, text = run(capsys, "check", camus_root)
    assert code == 1
    assert "same pixels in different splits: patient0003_4CH=patient0007_4CH" in text


def test_the_same_pixels_in_one_split_are_a_warning(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    images = camus_root / "database_nifti/patient0001"
    for part in ("half_sequence", "half_sequence_gt", "ED"):
        shutil.copy(images / f"patient0001_4CH_{part}.nii.gz", images / f"patient0001_2CH_{part}.nii.gz")
    code, text = run(capsys, "check", camus_root)
    assert code == 0
    assert "same pixels in one split: patient0001_2CH=patient0001_4CH" in text


def test_leakage_between_split_lists_is_an_error(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    (camus_root / "database_split/subgroup_testing.txt").write_text("patient0001\n")
    code, text = run(capsys, "check", camus_root)
    assert code == 1
    assert "patient0001 would leak from train to test" in text


def test_swapped_ed_and_es_masks_and_images_are_reported(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    for suffix in ("", "_gt"):
        swap(
            camus_root,
            f"patient0001/patient0001_4CH_ED{suffix}.nii.gz",
            f"patient0001/patient0001_4CH_ES{suffix}.nii.gz",
        )
    assert (
        "LV area at ED is not larger than at ES: patient0001_4CH"
        in run(capsys, "check", camus_root, "--clip", "ed_es")[1]
    )
    assert "the LV areas and the cfg disagree with the ED still: patient0001_4CH" in run(capsys, "check", camus_root)[1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ED: 5\nES: 1\nNbFrame: 5", "the cfg disagrees with the ED still"),
        ("NbFrame: 9", "the cfg says 9 frames, the file holds 5"),
        ("ED: 2\nES: 5\nNbFrame: 5", "puts ED and ES at 2 and 5"),
    ],
)
def test_a_cfg_that_disagrees_is_reported(
    capsys: pytest.CaptureFixture[str], camus_root: Path, line: str, words: str
) -> None:
    (camus_root / "database_nifti/patient0001/Info_4CH.cfg").write_text(f"{line}\n")
    code, text = run(capsys, "check", camus_root)
    assert code == 0
    assert f"{words}" in text


def test_another_pixel_spacing_is_reported(
    capsys: pytest.CaptureFixture[str], camus_root: Path, nifti_writer: Callable[..., None]
) -> None:
    for path in camus_root.glob("database_nifti/patient0004/*_2CH_half*"):
        nifti_writer(path, np.asarray(nibabel.load(path).dataobj).T, (0.5, 0.4))
    assert (
        "pixel spacing 0.5 x 0.4 mm (row x column) instead of 0.308 x 0.308: patient0004_2CH"
        in run(capsys, "check", camus_root)[1]
    )


def test_a_mask_of_another_pixel_size_is_reported(
    capsys: pytest.CaptureFixture[str], camus_root: Path, nifti_writer: Callable[..., None]
) -> None:
    for kind in ("ED_gt", "half_sequence_gt"):
        path = camus_root / f"database_nifti/patient0004/patient0004_2CH_{kind}.nii.gz"
        nifti_writer(path, np.asarray(nibabel.load(path).dataobj).T, (0.5, 0.5))
    for clip in ("ed_es", "half"):
        text = run(capsys, "check", camus_root, "--clip", clip)[1]
        assert "images and masks state different pixel sizes" in text


def test_an_unlisted_patient_is_reported(capsys: pytest.CaptureFixture[str], camus_root: Path) -> None:
    shutil.copytree(camus_root / "database_nifti/patient0001", camus_root / "database_nifti/patient0009")
    assert "patient0009 in no split list" in run(capsys, "check", camus_root, "--fast")[1]


def test_a_folder_that_is_no_dataset_says_what_would_be(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, text = run(capsys, "check", tmp_path)
    assert code == 2
    assert "is no dataset that is known: CAMUS holds database_nifti/" in text


def test_prepare_pack_unpack_and_check_of_a_cache(
    capsys: pytest.CaptureFixture[str], camus_root: Path, tmp_path: Path
) -> None:
    code, text = run(
        capsys, "prepare", "--dataset", "camus", "--root", camus_root, "--image-size", 32, "--data-dir", tmp_path / "d"
    )
    assert code == 0
    assert "camus at 32 px, clips train 4, val 2, test 2" in text
    assert "marked: own split lists (2/1/1 patients)" in text
    (folder,) = (tmp_path / "d/cache").iterdir()
    assert run(capsys, "pack", folder, tmp_path / "c.tar.gz")[0] == 0
    assert run(capsys, "unpack", tmp_path / "c.tar.gz", "--data-dir", tmp_path / "e")[0] == 0
    there = tmp_path / "e/cache" / folder.name
    assert run(capsys, "check", there)[0] == 0
    os.truncate(there / "frames.u8", 5)
    code, text = run(capsys, "check", there)
    assert code == 2
    assert "damaged (frames.u8: 5 bytes instead of" in text


def test_prepare_needs_a_dataset_and_a_root(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Name the dataset with --dataset" in run(capsys, "prepare", "--image-size", 32)[1]
    assert "--root PATH" in run(capsys, "prepare", "--dataset", "camus", "--image-size", 32)[1]
    assert "Did you mean 'camus'" in run(capsys, "prepare", "--dataset", "camis", "--image-size", 32)[1]


def test_the_real_root_passes_its_fast_check(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    code, text = run(capsys, "check", shared / "data/camus", "--fast")
    assert code == 0
    assert "marked: partial: 4CH only; 499 of 500 patients" in text
