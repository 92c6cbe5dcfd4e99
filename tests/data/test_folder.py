"""Data of one's own in a folder: every kind of file, missing columns, other structures, and sentences for what cannot be meant."""

from __future__ import annotations

import csv
import json
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from harness.cli import main
from harness.clip import label_ids
from harness.data import Folder, check, prepare
from harness.data.folder_manifest import read_manifest
from harness.data.folder_split import assign_splits
from harness.data.handover import hand_over
from harness.data.media.levels import FrameLevels
from harness.data.media.metaimage import read_metaimage_values
from harness.data.video import write_avi
from harness.errors import DataError
from harness.evaluation.mask_files import MaskFolder
from harness.evaluation.scoring import score_masks

SIZE = (24, 20)
FRAMES = 4


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels and masks [T, H, W]: a disc that shrinks (1) and a block beside it (7)."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    radii = np.linspace(7, 4, FRAMES)
    masks = np.stack([(np.hypot(rows - 10, columns - 8) < radius).astype(np.uint8) for radius in radii])
    masks[:, 18:22, 12:16] = 7
    noise = np.random.default_rng(seed).integers(0, 90, masks.shape)
    return (noise + 100 * (masks > 0)).astype(np.uint8), masks


def as_nifti(path: Path, pixels: np.ndarray, **units: Any) -> Path:
    image = nibabel.Nifti1Image(pixels.transpose(2, 1, 0)[:, :, None].astype(np.int16), np.diag([0.3, 0.5, 1, 1]))
    image.header.set_zooms((0.3, 0.5, 1.0, 20.0))
    image.header.set_xyzt_units("mm", "msec")
    nibabel.save(image, path)
    return path


def as_pictures(folder: Path, pixels: np.ndarray) -> Path:
    folder.mkdir()
    for index, frame in enumerate(pixels):
        Image.fromarray(frame).save(folder / f"f{index}.png")
    return folder


def as_stack(path: Path, pixels: np.ndarray) -> Path:
    first, *rest = (Image.fromarray(frame) for frame in pixels)
    first.save(path, save_all=True, append_images=rest)
    return path


def as_npz(path: Path, video: np.ndarray, mask: np.ndarray) -> Path:
    np.savez(path, video=video, mask=mask)
    return path


def as_video(path: Path, pixels: np.ndarray) -> Path:
    write_avi(path, pixels, 25.0)
    return path


def write_root(root: Path, rows: list[dict[str, Any]], labels: str = "lv: 1\nrv: 7\n") -> Path:
    columns = dict.fromkeys(key for row in rows for key in row)
    with open(root / "manifest.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    (root / "labels.yaml").write_text(labels)
    return root


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six patients, each in another kind of file."""
    root = tmp_path_factory.mktemp("folder")
    rows = []
    makers: list[tuple[str, Callable[[int], tuple[Path, Path]]]] = [
        ("train", lambda n: (as_nifti(root / "c.nii.gz", drawn(n)[0]), as_nifti(root / "m.nii.gz", drawn(n)[1]))),
        ("train", lambda n: (as_pictures(root / "pics", drawn(n)[0]), as_pictures(root / "pics_m", drawn(n)[1]))),
        ("val", lambda n: (as_stack(root / "c.tif", drawn(n)[0]), as_stack(root / "m.tif", drawn(n)[1]))),
        ("val", lambda n: (as_npz(root / "both.npz", *drawn(n)), root / "both.npz")),
        ("test", lambda n: (as_video(root / "c.avi", drawn(n)[0]), as_nifti(root / "mv.nii.gz", drawn(n)[1]))),
        ("test", lambda n: (as_stack(root / "c.gif", drawn(n)[0]), as_stack(root / "mg.tif", drawn(n)[1]))),
    ]
    for number, (split, make) in enumerate(makers):
        clip, mask = make(number)
        rows.append(
            {
                "clip": clip.name, "mask": mask.name, "patient": f"p{number}", "split": split, "view": "4CH",
                "ed": "0" if number else "", "es": "3" if number else "", "ef_percent": "55" if number == 1 else "",
                "spacing_row_mm": "0.4" if number == 1 else "", "spacing_col_mm": "0.2" if number == 1 else "",
                "scanner": "A" if number % 2 else "",
            }
        )  # fmt: skip
    return write_root(root, rows)


def opened(root: Path, **options: Any) -> Folder:
    dataset = Folder(root, **options)
    dataset.verify()
    return dataset


def test_every_kind_of_file_gives_the_same_masks_and_near_the_same_frames(mixed: Path) -> None:
    dataset = opened(mixed)
    cases = [case for split in ("train", "val", "test") for case in dataset.cases(split)]
    assert [case.patient for case in cases] == [f"p{n}" for n in range(6)]
    ids = label_ids(("lv", "rv"))
    for number, case in enumerate(cases):
        clip = dataset.load(case)
        frames, masks = drawn(number)
        expected = np.select([masks == 1, masks == 7], [ids["lv"], ids["rv"]])
        np.testing.assert_array_equal(clip.masks, expected, err_msg=case.name)
        # Motion JPEG and a palette of 256 colours lose a little; everything else is exact.
        assert np.abs(clip.frames.astype(int) - frames).mean() <= (8 if number == 4 else 0), case.name
        assert clip.labelled.all()


def test_what_a_row_leaves_out_is_missing_and_what_it_states_stands_before_the_file(mixed: Path) -> None:
    dataset = opened(mixed)
    first, second = (dataset.load(case) for case in dataset.cases("train"))
    assert first.spacing_mm == pytest.approx((0.5, 0.3))
    assert first.frame_rate_hz == pytest.approx(50.0)
    assert (first.ed, first.es, first.ef_percent, first.subgroups) == (None, None, None, {})
    assert second.spacing_mm == (0.4, 0.2)
    assert (second.ed, second.es, second.ef_percent, second.subgroups) == (0, 3, 55.0, {"scanner": "A"})


def test_a_prepared_folder_knows_its_structures_and_subgroups(mixed: Path, tmp_path: Path) -> None:
    cache = prepare(opened(mixed), image_size=16, cache_root=tmp_path, workers=0, progress=False)
    assert cache.structures == ("lv", "rv")
    assert cache.labels == {"lv": 1, "rv": 4}
    assert {clip.case.patient: dict(clip.subgroups) for clip in cache.split("val")} == {
        "p2": {},
        "p3": {"scanner": "A"},
    }


@pytest.mark.parametrize("kind", ["png", "nnunet"])
def test_exported_references_of_any_structures_score_a_dice_of_one(mixed: Path, tmp_path: Path, kind: str) -> None:
    dataset = opened(mixed)
    split = prepare(dataset, image_size=16, cache_root=tmp_path, workers=0, progress=False).split("test")
    run = {"run": "r", "model": "m", "seed": 0}
    for structures in ("rv", "rv+lv"):
        made = hand_over(dataset, tmp_path / structures, kind, structures=structures, progress=False)
        folder = made.folder / ("labelsTs" if kind == "nnunet" else "test/masks")
        masks = MaskFolder(folder, [case.name for case in split.cases], made.folder / "cases.csv")
        rows = score_masks(
            masks, split, structures=structures, run_columns=run, metrics=("overlap",), workers=0, progress=False
        )
        dice = rows[rows["metric"] == "dice"]
        assert set(dice["structure"]) == set(structures.split("+"))
        assert set(dice["value"]) == {1.0}


def test_the_clip_kinds_cut_to_what_is_labelled(mixed: Path) -> None:
    dataset = opened(mixed, clip="ed_es")
    clip = dataset.load(dataset.cases("train")[1])
    np.testing.assert_array_equal(clip.frames, drawn(1)[0][[0, 3]])
    with pytest.raises(DataError, match="--clip labelled"):
        dataset.load(dataset.cases("train")[0])


def row(**cells: Any) -> dict[str, Any]:
    return {"clip": "c.npz", "mask": "c.npz", "patient": "p", "split": "train", **cells}


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"split": "trian"}, "the split 'trian' is none of train, val, test"),
        ({"patient": ""}, "the cell 'patient' is empty"),
        ({"spacing_row_mm": "0", "spacing_col_mm": "0.3"}, "spacing_row_mm is 0; it must be a positive number"),
        ({"spacing_row_mm": "nan", "spacing_col_mm": "0.3"}, "must be a positive number"),
        ({"spacing_row_mm": "0.3"}, "only one of spacing_row_mm and spacing_col_mm"),
        ({"ed": "first"}, "ed is 'first'; it is a frame number, counted from 0"),
        ({"labelled": "a b"}, "give frame numbers with blanks"),
    ],
)
def test_a_cell_that_cannot_be_meant_is_named_with_its_line(
    tmp_path: Path, cells: dict[str, Any], sentence: str
) -> None:
    write_root(tmp_path, [row(), row(patient="q", **{k: v for k, v in cells.items() if k != "patient"}) | cells])
    with pytest.raises(DataError, match="line 3") as caught:
        Folder(tmp_path)
    assert sentence in str(caught.value)


def test_a_patient_in_two_splits_and_files_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    write_root(
        tmp_path, [row(split=split, clip=f"{'./' * k}c.npz") for k, split in enumerate(("train", "val", "test"))]
    )
    as_npz(tmp_path / "c.npz", *drawn(0))
    with pytest.raises(DataError, match=r"1 patient into more than one split \(p\)"):
        opened(tmp_path)
    write_root(tmp_path, [row(patient=name, clip=f"{name}.npz") for name in "abc"])
    with pytest.raises(DataError, match=r"the clip of 2 rows \(a.npz \(line 2\)"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v, m: (v, m[:, :, ::-1].transpose(0, 2, 1)), r"20 x 24 pixels .* \(it is transposed\)"),
        (lambda v, m: (v, m[:2]), "holds 2 masks and its clip has 4 frames"),
        (lambda v, m: (v, m * 3), "holds the value 3, 21, which labels.yaml does not name"),
        (lambda v, m: (v, m * 0), "holds no mask on any frame"),
        (lambda v, m: (v.astype(float) - 90, m), "as z-scored pictures do"),
        (lambda v, m: ((v > 90).astype(np.uint8), m), "nothing but 0 and 1, as a mask does"),
        (lambda v, m: (v.astype(np.uint16) * 9, m), "neither 0..1 nor 0..255 nor full 16 bits"),
    ],
)
def test_a_pair_that_cannot_be_meant_is_refused_in_a_sentence(tmp_path: Path, change: Any, sentence: str) -> None:
    as_npz(tmp_path / "c.npz", *change(*drawn(0)))
    dataset = Folder(write_root(tmp_path, [row()]))
    with pytest.raises(DataError, match=sentence):
        dataset.load(dataset.cases("train")[0])


def test_two_masks_belong_to_the_frames_that_the_row_names(tmp_path: Path) -> None:
    video, masks = drawn(0)
    as_npz(tmp_path / "c.npz", video, masks[[1, 3]])
    dataset = Folder(write_root(tmp_path, [row(labelled="1 3")]))
    clip = dataset.load(dataset.cases("train")[0])
    np.testing.assert_array_equal(clip.frames, video[1:])
    assert clip.labelled.tolist() == [True, False, True]


def test_without_splits_patients_are_drawn_and_results_marked(tmp_path: Path) -> None:
    as_npz(tmp_path / "c.npz", *drawn(0))
    rows = [row(patient=f"p{n}", split="", clip=clip) for n in range(10) for clip in ("c.npz", "./c.npz")]
    dataset = opened(write_root(tmp_path, rows))
    patients = {split: {case.patient for case in dataset.cases(split)} for split in ("train", "val", "test")}
    assert [len(patients[split]) for split in ("train", "val", "test")] == [7, 1, 2]
    assert len(set().union(*patients.values())) == 10
    assert dataset.mark == "split drawn by patient with seed 0 (7/1/2)"
    assert any("different splits" in finding.message for finding in check(dataset, workers=0))
    prepared = prepare(dataset, image_size=16, cache_root=tmp_path / "cache", workers=0, progress=False)
    assert prepared.mark.endswith("; pairs of clips with the same pixels in different splits: 1")
    other = opened(tmp_path, split_seed=1)
    assert [case.patient for case in other.cases("test")] != [case.patient for case in dataset.cases("test")]


def manifest_of(root: Path, *named: tuple[str, str]) -> Path:
    rows = [
        {"clip": f"{k}.png", "mask": "b.png", "patient": patient, "view": view}
        for k, (patient, view) in enumerate(named)
    ]
    write_root(root, rows)
    return root / "manifest.csv"


@pytest.mark.parametrize(
    "named", [("../../../escaped", "4CH"), ("p", "../4CH"), ("a/b", "4CH"), ("..", "4CH"), ("a\\b", "4CH")]
)
def test_a_patient_or_view_that_is_a_path_is_refused(tmp_path: Path, named: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=r"line 2: the (patient|view) .* may not become a file's name"):
        read_manifest(manifest_of(tmp_path, named))


@pytest.mark.parametrize(
    ("views", "names"),
    [
        (["4CH", "4CH", "4CH.2"], ["4CH", "4CH.2", "4CH.2.2"]),
        (["4CH", "4CH.2", "4CH", "4CH"], ["4CH", "4CH.2", "4CH.3", "4CH.4"]),
    ],
)
def test_no_two_clips_of_a_patient_have_one_name(tmp_path: Path, views: list[str], names: list[str]) -> None:
    assert [row.view for row in read_manifest(manifest_of(tmp_path, *(("p", view) for view in views)))] == names


def test_a_small_packed_metaimage_is_not_unpacked_beyond_its_stated_size(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    header = "ObjectType = Image\nNDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\nCompressedData = True\nElementDataFile = LOCAL\n"
    path.write_bytes(header.encode() + zlib.compress(bytes(8_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="holds more than 4 bytes instead of 4"):
            read_metaimage_values(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    whole = zlib.compress(bytes([1, 2, 3, 4]))
    path.write_bytes(header.encode() + whole)
    assert read_metaimage_values(path)[0].tolist() == [[[1, 2], [3, 4]]]
    path.write_bytes(header.encode() + whole[:-2])
    with pytest.raises(DataError, match="ends before its pixels do"):
        read_metaimage_values(path)


def test_a_nearly_black_first_frame_decides_nothing_and_a_mask_is_refused_at_its_end(tmp_path: Path) -> None:
    noise = np.zeros((4, 4), np.uint8)
    noise[0, 0] = 1
    levels = FrameLevels("a.avi", [])
    assert levels(noise).max() == 1
    assert levels(noise * 200).max() == 200
    levels.end()
    levels = FrameLevels("a.avi", [])
    levels(noise)
    with pytest.raises(DataError, match="as a mask does"):
        levels.end()


def test_folds_with_leading_zeros_are_numbers(tmp_path: Path) -> None:
    rows = [{"clip": "a", "mask": "b", "patient": f"p{k}", "split": f"0{k}"} for k in (1, 2, 3)]
    listed = read_manifest(write_root(tmp_path, rows) / "manifest.csv")
    assert assign_splits(listed, seed=0, split_dir=None, fold=1).of == {"p1": "test", "p2": "val", "p3": "train"}
    mixed = [*listed[:2], replace(listed[2], split="train"), replace(listed[2], patient="p4")]
    with pytest.raises(DataError, match="numbers of folds and train"):
        assign_splits(mixed, seed=0, split_dir=None, fold=1)


def test_bench_and_export_take_a_folder_by_its_root_alone(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--dataset", "folder", "--root", str(mixed), "--data-dir", str(tmp_path / "data")]
    stores = ["--results-dir", str(tmp_path / "runs"), "--reports-dir", str(tmp_path / "reports")]
    commands = [["bench", *at, *stores, "--recipe", "smoke", "--models", "unet", "--dry-run"]]
    commands += [["data", "export", str(tmp_path / kind), "--format", kind, *at] for kind in ("png", "nnunet")]
    for command in commands:
        with pytest.raises(SystemExit) as end:
            main(command)
        assert end.value.code == 0, capsys.readouterr().err
    assert "files; " in capsys.readouterr().out
    (description,) = (tmp_path / "nnunet").glob("*/dataset.json")
    assert json.loads(description.read_text())["labels"] == {"background": 0, "lv": 1, "rv": 2}
