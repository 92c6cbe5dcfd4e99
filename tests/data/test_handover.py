"""An export gives another program the pixels and reference masks of every labelled frame, and a map of the names."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.clip import LABELS, structure_names
from harness.data.dataset import EchoDataset
from harness.data.handover import hand_over
from harness.data.limited import Limited
from harness.errors import DataError
from harness.evaluation.mask_files import MaskFolder, read_map
from harness.experiments.source import dataset_config, open_dataset


@pytest.fixture(scope="module")
def phantom(data_root: Path) -> EchoDataset:
    cfg = dataset_config("phantom", {})
    cfg["generate"] |= {"patients": (3, 1, 2), "pixel_mm": 1.6}
    return open_dataset("phantom", cfg, data_root, progress=False)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path / "cases.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_nnu_net_s_dataset_has_numbered_pictures_whose_masks_are_the_references(phantom, tmp_path: Path) -> None:
    made = hand_over(phantom, tmp_path, "nnunet", structures="all", progress=False)
    assert made.folder.name == "Dataset501_Phantom"
    described = json.loads((made.folder / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "lv": 1, "myo": 2, "la": 3}
    counts = {
        split: sum(int(phantom.load(case).labelled.sum()) for case in phantom.cases(split))
        for split in ("train", "val", "test")
    }
    assert described["numTraining"] == counts["train"] + counts["val"]
    assert len(list((made.folder / "imagesTr").iterdir())) == counts["train"] + counts["val"]
    assert len(list((made.folder / "imagesTs").iterdir())) == counts["test"]
    assert len(list((made.folder / "labelsTs").iterdir())) == counts["test"]
    (fold,) = json.loads((made.folder / "splits_final.json").read_text())
    assert {part: len(names) for part, names in fold.items()} == {part: counts[part] for part in ("train", "val")}
    for row in rows(made.folder):
        side = "Ts" if row["split"] == "test" else "Tr"
        case = next(c for c in phantom.cases(row["split"]) if c.name == row["case"])
        clip, frame = phantom.load(case), int(row["frame"])
        image = cv2.imread(str(made.folder / f"images{side}" / f"{row['file']}_0000.png"), cv2.IMREAD_UNCHANGED)
        label = cv2.imread(str(made.folder / f"labels{side}" / f"{row['file']}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, clip.frames[frame])
        np.testing.assert_array_equal(label, clip.masks[frame])
        assert clip.phase(frame) == row["phase"]


def test_the_map_leads_every_mask_back_to_its_case(phantom, tmp_path: Path) -> None:
    made = hand_over(phantom, tmp_path, "nnunet", progress=False)
    names = [case.name for case in phantom.cases("test")]
    folder = MaskFolder(made.folder / "labelsTs", names, made.folder / "cases.csv")
    assert (set(folder), folder.extra) == (set(names), [])
    case = phantom.cases("test")[0]
    clip, masks = phantom.load(case), folder[case.name]
    assert set(masks) == set(np.flatnonzero(clip.labelled))
    np.testing.assert_array_equal(masks[clip.es], clip.masks[clip.es] == 1)
    assert len(read_map(made.folder / "cases.csv")) == len(made.rows)


@pytest.mark.parametrize("kind", ["png", "npz"])
def test_files_of_the_other_formats_are_called_by_their_case(phantom, tmp_path: Path, kind: str) -> None:
    made = hand_over(Limited(phantom, 1), tmp_path / "out", kind, progress=False)
    names = [case.name for case in Limited(phantom, 1).cases("test")]
    assert len(names) == 2
    folder = made.folder / "test" / ("masks" if kind == "png" else "")
    if kind == "npz":
        with np.load(folder / f"{names[0]}.npz") as held:
            clip = phantom.load(phantom.cases("test")[0])
            np.testing.assert_array_equal(held["frames"], clip.frames)
            np.testing.assert_array_equal(held["masks"], clip.masks == 1)
            assert tuple(held["spacing_mm"]) == clip.spacing_mm
    else:
        assert set(MaskFolder(folder, names)) == set(names)
    with pytest.raises(DataError, match="is not empty"):
        hand_over(phantom, tmp_path / "out", kind, progress=False)


def test_each_nth_picture_is_written_and_always_ed_and_es(phantom, tmp_path: Path) -> None:
    made = hand_over(phantom, tmp_path, "png", every=4, progress=False)
    for case in phantom.cases("test"):
        clip = phantom.load(case)
        frames = [row["frame"] for row in made.rows if row["case"] == case.name]
        assert frames == sorted({*range(0, len(clip.frames), 4), clip.ed, clip.es})
    with pytest.raises(DataError, match="--format npz writes whole clips"):
        hand_over(phantom, tmp_path / "npz", "npz", every=4, progress=False)


def test_a_limited_dataset_says_so_and_is_another_one(phantom) -> None:
    limited = Limited(phantom, 2)
    assert [len({case.patient for case in limited.cases(split)}) for split in ("train", "val", "test")] == [2, 1, 2]
    assert limited.mark.endswith("limited to 2 patients per split")
    assert len({phantom.fingerprint(), limited.fingerprint(), Limited(phantom, 1).fingerprint()}) == 3


def test_a_clip_whose_name_leads_out_of_the_folder_is_not_exported(phantom, tmp_path: Path, monkeypatch) -> None:
    case = replace(phantom.cases("val")[0], patient="../../../escaped")
    monkeypatch.setattr(phantom, "cases", lambda split: [case] if split == "val" else [])
    with pytest.raises(DataError, match="may not become a path"):
        hand_over(phantom, tmp_path / "a" / "b", "npz", progress=False)
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.parametrize("kind", ["png", "npz", "nnunet"])
@pytest.mark.parametrize("structures", ["lv", "all", "lv+la", "la"])
def test_exported_references_come_back_as_label_ids(phantom, tmp_path: Path, kind: str, structures: str) -> None:
    dataset = Limited(phantom, 1)
    made = hand_over(dataset, tmp_path / "out", kind, structures=structures, progress=False)
    case = dataset.cases("test")[0]
    clip = dataset.load(case)
    labels = [LABELS[name] for name in structure_names(structures)]
    expected = np.where(np.isin(clip.masks, labels), clip.masks, 0)
    if kind == "npz":
        with np.load(made.folder / "test" / f"{case.name}.npz") as held:
            np.testing.assert_array_equal(held["masks"], expected)
        return
    folder = made.folder / ("labelsTs" if kind == "nnunet" else "test/masks")
    masks = MaskFolder(folder, [case.name], made.folder / "cases.csv")[case.name]
    for frame, mask in masks.items():
        np.testing.assert_array_equal(mask, expected[frame])
    if kind == "nnunet":
        picture = cv2.imread(str(next(folder.iterdir())), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(picture)) == set(range(1 + len(labels)))  # classes without gaps
