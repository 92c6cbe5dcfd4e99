"""Bad data ends in one plain sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from harness.clip import Case, Clip
from harness.data import Camus, Phantom, prepare
from harness.errors import BenchError, DataError
from harness.experiments.source import open_dataset

IMAGE = "database_nifti/patient0001/patient0001_4CH_ED.nii.gz"
MASK = "database_nifti/patient0001/patient0001_4CH_ED_gt.nii.gz"


def read_all(root: Path) -> None:
    dataset = Phantom(root, clip="ed_es")
    dataset.verify()
    for split in ("train", "val", "test"):
        for case in dataset.cases(split):
            dataset.load(case)


def refuses(root: Path) -> str:
    """The sentence; it must be one line that ends with a full stop."""
    with pytest.raises(DataError) as caught:
        read_all(root)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def pixels(path: Path) -> np.ndarray:
    """[H, W] as stored."""
    return np.asarray(nibabel.load(path).dataobj).T.copy()


class TestWrongRoots:
    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"absent is not a folder; give the right one with --root"):
            Camus(tmp_path / "absent")

    def test_none(self) -> None:
        with pytest.raises(DataError, match="--root PATH"):
            Camus(None)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert "it holds no patientXXXX folders; give the folder that contains database_nifti/" in refuses(tmp_path)

    def test_patient_folders_without_images(self, tmp_path: Path) -> None:
        (tmp_path / "database_nifti/patient0001").mkdir(parents=True)
        assert "1 patient folders without NIfTI files" in refuses(tmp_path)

    def test_the_old_release_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "training/patient0001").mkdir(parents=True)
        (tmp_path / "training/patient0001/patient0001_2CH_ED.mhd").touch()
        assert "old mhd release" in refuses(tmp_path)
        assert "--dataset camus_mhd" in refuses(tmp_path)

    def test_echonet_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "FileList.csv").touch()
        assert "--dataset echonet" in refuses(tmp_path)


class TestDamagedFiles:
    @pytest.mark.parametrize("name", [IMAGE, MASK])
    @pytest.mark.parametrize("keep", [0, 20, 0.5, 0.99])
    def test_a_cut_file(self, camus_root: Path, name: str, keep: float) -> None:
        path = camus_root / name
        os.truncate(path, int(keep if keep == 20 else path.stat().st_size * keep))
        assert f"{path} is damaged or not NIfTI" in refuses(camus_root)

    def test_a_flipped_bit_is_caught_by_the_checksum(self, camus_root: Path) -> None:
        path = camus_root / IMAGE
        content = bytearray(gzip.decompress(path.read_bytes()))
        packed = bytearray(gzip.compress(bytes(content)))
        packed[-6] ^= 1  # inside the stored CRC-32
        path.write_bytes(packed)
        assert "damaged" in refuses(camus_root)

    def test_text_instead_of_nifti(self, camus_root: Path) -> None:
        (camus_root / IMAGE).write_text("<html>404</html>")
        assert "is damaged or not NIfTI" in refuses(camus_root)

    def test_a_file_that_vanished_after_the_check(self, camus_root: Path) -> None:
        dataset = Camus(camus_root)
        case = dataset.cases("train")[0]
        (camus_root / f"database_nifti/patient0001/{case.name}_half_sequence_gt.nii.gz").unlink()
        with pytest.raises(DataError, match="does not exist; restore the file"):
            dataset.load(case)

    @pytest.mark.parametrize("line", ["ED: one", "EF: high"])
    def test_a_cfg_with_words_for_numbers(self, camus_root: Path, line: str) -> None:
        (camus_root / "database_nifti/patient0001/Info_4CH.cfg").write_text(f"{line}\n")
        assert f"says '{line}', which is not a number" in refuses(camus_root)


def test_a_pipe_in_the_place_of_a_file_is_refused_before_anybody_waits_for_it(camus_root: Path, tmp_path: Path) -> None:
    (camus_root / IMAGE).unlink()
    os.mkfifo(camus_root / IMAGE)
    build = {"type": "Phantom", "root": str(camus_root), "clip": "ed_es"}
    with pytest.raises(DataError, match=r"4CH_ED\.nii\.gz is no regular file"):
        open_dataset("phantom", {"dataset": build}, tmp_path)


class TestContradictions:
    def test_shape_of_image_and_mask(self, camus_root: Path, nifti_writer: Callable[..., None]) -> None:
        nifti_writer(camus_root / MASK, pixels(camus_root / MASK)[:-1])
        sentence = refuses(camus_root)
        assert (
            "patient0001_4CH_ED.nii.gz has shape (1, 40, 56) and its mask patient0001_4CH_ED_gt.nii.gz (1, 39, 56)"
            in sentence
        )

    def test_shape_of_ed_and_es(self, camus_root: Path, nifti_writer: Callable[..., None]) -> None:
        for name in (IMAGE, MASK):
            nifti_writer(camus_root / name, pixels(camus_root / name)[:-1])
        assert "ED and ES stills" in refuses(camus_root)

    @pytest.mark.parametrize("label", [4, 255, 1.5, -1])
    def test_an_unknown_label(self, camus_root: Path, nifti_writer: Callable[..., None], label: float) -> None:
        mask = pixels(camus_root / MASK)
        mask[3, 3] = label
        nifti_writer(camus_root / MASK, mask)
        sentence = refuses(camus_root)
        # 255 beside 0 is how other programs write one structure: the sentence then shows the way in
        assert (f"holds the unknown label {label:g}" if label != 255 else "'lv: 255' in labels.yaml") in sentence

    @pytest.mark.parametrize(
        ("value", "word"),
        [(300, "grey levels up to 300"), (-3, "grey levels below 0"), (np.nan, "no numbers")],
    )
    def test_grey_levels_that_are_none(
        self, camus_root: Path, nifti_writer: Callable[..., None], value: float, word: str
    ) -> None:
        image = pixels(camus_root / IMAGE)
        image[3, 3] = value
        nifti_writer(camus_root / IMAGE, image)
        assert word in refuses(camus_root)

    def test_a_sequence_in_place_of_a_still(self, camus_root: Path, nifti_writer: Callable[..., None]) -> None:
        for name in (IMAGE, MASK):
            nifti_writer(camus_root / name, np.stack([pixels(camus_root / name)] * 3))
        assert "(3, 40, 56)" in refuses(camus_root)

    def test_a_four_dimensional_file(self, camus_root: Path) -> None:
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 2, 2), np.float32), np.eye(4)), camus_root / IMAGE)
        assert "has shape (4, 4, 2, 2)" in refuses(camus_root)


class TestSplitLists:
    def write(self, root: Path, name: str, text: str) -> None:
        (root / f"database_split/subgroup_{name}.txt").write_text(text)

    def test_overlap(self, camus_root: Path) -> None:
        self.write(camus_root, "testing", "patient0003\npatient0004\n")
        assert "overlap: patient0004 would leak from train to test" in refuses(camus_root)

    def test_repetition(self, camus_root: Path) -> None:
        self.write(camus_root, "training", "patient0001\npatient0004\npatient0001\n")
        assert "names patient0001 twice" in refuses(camus_root)

    @pytest.mark.parametrize("text", ["", "\n\n"])
    def test_an_empty_list(self, camus_root: Path, text: str) -> None:
        self.write(camus_root, "validation", text)
        assert "subgroup_validation.txt is empty" in refuses(camus_root)

    def test_a_list_whose_patients_are_all_absent(self, camus_root: Path) -> None:
        self.write(camus_root, "validation", "patient0999\n")
        dataset = Phantom(camus_root, allow_partial=True)
        with pytest.raises(DataError, match=r"split 'val' of .* has no usable case"):
            dataset.verify()

    def test_one_list_is_missing(self, camus_root: Path) -> None:
        (camus_root / "database_split/subgroup_testing.txt").unlink()
        assert "subgroup_testing.txt is missing" in refuses(camus_root)

    def test_no_lists_at_all_ask_for_their_folder(self, camus_root: Path, tmp_path: Path) -> None:
        lists = (camus_root / "database_split").rename(tmp_path / "lists")
        assert "name their folder with --split-dir PATH" in refuses(camus_root)
        Camus(camus_root, split_dir=lists).verify()

    def test_a_split_folder_without_lists(self, camus_root: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=f"no split lists in {tmp_path}"):
            Camus(camus_root, split_dir=tmp_path).verify()

    def test_lists_from_windows_are_read(self, camus_root: Path) -> None:
        self.write(camus_root, "training", "\ufeffpatient0001\r\npatient0004 \r\n")
        assert len(Camus(camus_root).cases("train")) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_file_stops_preparing_and_leaves_nothing(camus_root: Path, tmp_path: Path, workers: int) -> None:
    os.truncate(camus_root / MASK, 30)
    with pytest.raises(DataError, match=r"patient0001_4CH_ED_gt.nii.gz is damaged"):
        prepare(
            Camus(camus_root, clip="ed_es"), image_size=32, cache_root=tmp_path / "c", workers=workers, progress=False
        )
    assert list((tmp_path / "c").iterdir()) == []


def test_a_dead_worker_is_one_sentence(camus_root: Path, tmp_path: Path) -> None:
    class Deadly(Camus):  # local, so that it travels to the workers by value
        def load(self, case: Case) -> Clip:
            os.kill(os.getpid(), signal.SIGKILL)
            return super().load(case)

    with pytest.raises(BenchError, match="was ended by SIGKILL"):
        prepare(Deadly(camus_root), image_size=32, cache_root=tmp_path / "c", workers=2, progress=False)
    assert list((tmp_path / "c").iterdir()) == []


def test_a_cache_place_that_is_a_file_is_one_sentence(camus_root: Path, tmp_path: Path) -> None:
    (tmp_path / "c").touch()
    with pytest.raises(DataError, match="cannot be written"):
        prepare(Camus(camus_root), image_size=32, cache_root=tmp_path / "c", workers=1, progress=False)


_SLOW_PREPARE = """
import os, sys, time
from pathlib import Path
from harness.cli import main
from harness.data import camus, cache
from harness.jobs import map_ordered

class Slow(camus.Camus):  # of this script, so that workers get it by value
    def load(self, case):
        os.write(1, b"loading" + bytes([10]))
        time.sleep(0.5)
        return super().load(case)

def with_workers(*arguments, **options):
    return map_ordered(*arguments, **{**options, "workers": 2})

camus.DATASETS.register_module(name="Camus", module=Slow, force=True)
cache.map_ordered = with_workers
main(["data", "prepare", "--dataset", "camus", "--root", sys.argv[1], "--image-size", "32", "--data-dir", sys.argv[2]])
"""


def test_a_real_interrupt_while_preparing_leaves_nothing(camus_root: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_PREPARE, str(camus_root), str(tmp_path / "d")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped by Ctrl-C" in complaint
    assert "Traceback" not in complaint
    assert list((tmp_path / "d" / "cache").iterdir()) == []


def test_every_reader_refuses_an_empty_folder(tmp_path: Path) -> None:
    from harness.registry import DATASETS, list_datasets

    for name in list_datasets():
        with pytest.raises(DataError, match=str(tmp_path)):  # one that reads its manifest refuses when it is opened
            DATASETS.build(dict(type=name, root=str(tmp_path))).verify()
