"""The CAMUS reader: orientation, order, labels, splits, and partial roots."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from harness.clip import Case
from harness.data import Camus, EchoDataset, Phantom
from harness.errors import ConfigError, DataError
from harness.registry import DATASETS, list_datasets


def case(dataset: EchoDataset, patient: str, view: str = "4CH") -> Case:
    cases = [item for split in ("train", "val", "test") for item in dataset.cases(split)]
    return next(item for item in cases if (item.patient, item.view) == (patient, view))


@pytest.fixture
def half(camus_root_shared: Path) -> Camus:
    return Camus(camus_root_shared)


@pytest.fixture
def stills(camus_root_shared: Path) -> Camus:
    return Camus(camus_root_shared, clip="ed_es")


def test_camus_and_phantom_are_registered_and_built_from_a_config(camus_root_shared: Path) -> None:
    assert {"Camus", "Phantom"} <= set(list_datasets())
    phantom = DATASETS.build(dict(type="Phantom", root=str(camus_root_shared)))
    assert isinstance(phantom, Phantom)
    assert phantom.cases("test")[0].dataset == "phantom"


@pytest.mark.parametrize("inner", ["", "database_nifti"])
def test_the_root_may_contain_the_image_folder_or_be_it(camus_root_shared: Path, inner: str) -> None:
    dataset = Camus(camus_root_shared / inner)
    dataset.verify()
    assert [item.name for item in dataset.cases("train")] == [
        "patient0001_2CH", "patient0001_4CH", "patient0004_2CH", "patient0004_4CH",
    ]  # fmt: skip


def test_frames_are_the_transpose_of_what_is_on_disk(half: Camus, camus_root_shared: Path) -> None:
    clip = half.load(case(half, "patient0001"))
    path = camus_root_shared / "database_nifti/patient0001/patient0001_4CH_half_sequence.nii.gz"
    stored = np.asarray(nibabel.load(path).dataobj)
    assert clip.frames.shape == (5, 40, 56)
    assert clip.frames[2, 7, 30] == stored[30, 7, 2]
    columns = np.nonzero(clip.masks[0] == 1)[1]
    assert columns.mean() > 28, "the LV must stay on the right side"


def test_only_the_two_ends_of_a_half_sequence_are_labelled(half: Camus) -> None:
    clip = half.load(case(half, "patient0001"))
    assert clip.labelled.tolist() == [True, False, False, False, True]
    assert clip.interpolated.tolist() == [False, True, True, True, False]
    assert (clip.ed, clip.es) == (0, 4)
    assert clip.masks[2].any()


def test_values_of_the_cfg_travel_with_the_clip(half: Camus) -> None:
    clip = half.load(case(half, "patient0001"))
    assert (clip.ef_percent, clip.frame_rate_hz, clip.quality) == (63, 56.5, "Good")
    assert clip.spacing_mm == pytest.approx((0.308, 0.308))


def test_a_reversed_half_sequence_stays_in_time_order_and_says_where_ed_is(half: Camus) -> None:
    clip = half.load(case(half, "patient0003", "2CH"))
    last = len(clip.frames) - 1
    assert (clip.ed, clip.es) == (last, 0)
    areas = (clip.masks == 1).sum((1, 2))
    assert areas[clip.ed] == areas.max()
    assert clip.notes == ["order: the half sequence runs from ES to ED"]


def test_the_stills_come_ed_first(stills: Camus) -> None:
    clip = stills.load(case(stills, "patient0003", "2CH"))
    assert (clip.ed, clip.es) == (0, 1)
    assert (clip.masks[0] == 1).sum() > (clip.masks[1] == 1).sum()
    assert clip.labelled.all()
    assert not clip.interpolated.any()


def test_anisotropic_spacing_is_row_then_column(camus_root: Path, nifti_writer: Callable[..., None]) -> None:
    folder = camus_root / "database_nifti/patient0001"
    for path in folder.glob("*_4CH_E*.nii.gz"):
        pixels = np.asarray(nibabel.load(path).dataobj).T
        nifti_writer(path, pixels, (0.2, 0.4))
    dataset = Camus(camus_root, clip="ed_es")
    assert dataset.load(case(dataset, "patient0001")).spacing_mm == pytest.approx((0.2, 0.4))


def test_a_complete_root_carries_only_the_mark_of_its_own_split(half: Camus) -> None:
    assert half.mark == "own split lists (2/1/1 patients)"
    assert Phantom(half.root).mark is None


class TestPartialRoots:
    """Each lack is refused with one sentence that names the options which accept it."""

    def test_a_missing_patient(self, camus_root: Path) -> None:
        shutil.rmtree(camus_root / "database_nifti/patient0004")
        with pytest.raises(
            DataError,
            match=r"1 of 4 patients \(patient0004\).*accept that with --allow-partial \(make: ALLOW_PARTIAL=1\)",
        ):
            Camus(camus_root).verify()
        accepted = Phantom(camus_root, allow_partial=True)
        accepted.verify()
        assert accepted.mark == "partial: 3 of 4 patients"

    def test_a_missing_view_asks_for_the_other_one(self, camus_root: Path) -> None:
        for path in camus_root.glob("database_nifti/*/*2CH*"):
            path.unlink()
        for allowed in (False, True):
            with pytest.raises(DataError, match=r"view 2CH.*--views 4CH \(make: VIEWS=4CH\)"):
                Camus(camus_root, allow_partial=allowed).verify()
        Camus(camus_root, views=("4CH",)).verify()

    def test_missing_sequences_ask_for_the_stills(self, camus_root: Path) -> None:
        for path in camus_root.glob("database_nifti/*/*half*"):
            path.unlink()
        with pytest.raises(DataError, match=r"half sequences.*--clip ed_es \(make: CLIP=ed_es\)"):
            Camus(camus_root).verify()
        Camus(camus_root, clip="ed_es").verify()

    def test_a_missing_mask_of_one_clip(self, camus_root: Path) -> None:
        (camus_root / "database_nifti/patient0001/patient0001_2CH_half_sequence_gt.nii.gz").unlink()
        with pytest.raises(DataError, match=r"files of 1 clips \(patient0001_2CH\).*--allow-partial"):
            Camus(camus_root).verify()
        assert len(Camus(camus_root, allow_partial=True).cases("train")) == 3

    def test_missing_cfg_files(self, camus_root: Path) -> None:
        for path in camus_root.glob("database_nifti/*/Info*"):
            path.unlink()
        with pytest.raises(DataError, match=r"cfg of 8 of 8 clips.*--allow-partial"):
            Camus(camus_root).verify()
        dataset = Camus(camus_root, allow_partial=True)
        assert dataset.load(case(dataset, "patient0001")).ef_percent is None
        assert "no cfg files" in str(dataset.mark)


def test_the_real_partial_root_names_everything_that_accepts_it(shared: Path) -> None:
    with pytest.raises(DataError) as caught:
        Camus(shared / "data/camus").verify()
    assert "VIEWS=4CH CLIP=ed_es ALLOW_PARTIAL=1" in str(caught.value)
    assert "--views 4CH --clip ed_es --allow-partial" in str(caught.value)
    assert "patient0039" in str(caught.value)


def test_the_real_partial_root_is_read_when_accepted(shared: Path) -> None:
    dataset = Camus(shared / "data/camus", views=["4CH"], clip="ed_es", allow_partial=True)
    dataset.verify()
    assert dataset.mark == "partial: 4CH only; 499 of 500 patients; no half sequences; no cfg files"
    assert [len(dataset.cases(split)) for split in ("train", "val", "test")] == [399, 50, 50]
    clip = dataset.load(case(dataset, "patient0001"))
    assert clip.frames.shape == (2, 389, 549)
    rows, columns = np.nonzero(clip.masks[0] == 1)
    assert columns.mean() > 549 / 2
    assert rows.mean() < np.nonzero(clip.masks[0] == 3)[0].mean(), "the LV lies above the left atrium"


@pytest.mark.parametrize(
    ("choice", "word"), [({"views": ["3CH"]}, "view '3CH'"), ({"clip": "halv"}, "Did you mean 'half'")]
)
def test_unknown_choices_name_the_nearest_valid_one(camus_root_shared: Path, choice: dict, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Camus(camus_root_shared, **choice)
