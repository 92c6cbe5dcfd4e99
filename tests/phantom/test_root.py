"""The files of a generated root: layout, labels, headers, cfg, agreement of masks and truth, determinism, atomicity."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from harness.errors import ConfigError, DataError
from harness.phantom import generate, read_manifest

from .conftest import COUNTS, PIXEL_MM

VIEWS = ("2CH", "4CH")
NAMES = [f"{kind}{suffix}" for kind in ("ED", "ES", "half_sequence") for suffix in ("", "_gt")]


def folders(root: Path) -> list[Path]:
    return sorted((root / "database_nifti").iterdir())


def read(folder: Path, view: str, name: str) -> NDArray[np.float32]:
    """Stored array with its axes turned to (H, W) or (T, H, W)."""
    return np.asarray(nibabel.load(folder / f"{folder.name}_{view}_{name}.nii.gz").dataobj).T


def cfg(folder: Path, view: str) -> dict[str, str]:
    lines = (folder / f"Info_{view}.cfg").read_text().splitlines()
    return dict(line.split(": ") for line in lines)


def digest(root: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        total.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return total.hexdigest()


def simpson_ml(masks: list[NDArray[np.float32]], pixel: float) -> float:
    """Biplane method of discs from two label maps, written from its definition, 20 discs.

    The long axis joins the middle of the mitral plane (cavity pixels that touch the atrium) and the farthest cavity pixel.
    """
    diameters, lengths = [], []
    for mask in masks:
        rows, columns = np.nonzero(mask == 1)
        touching = np.zeros(mask.shape, bool)
        touching[:-1] |= mask[1:] == 3
        touching[:, 1:] |= mask[:, :-1] == 3
        touching[:, :-1] |= mask[:, 1:] == 3
        base = np.argwhere(touching & (mask == 1)).mean(0)
        points = np.stack([rows, columns], 1) - base
        apex = points[np.argmax((points**2).sum(1))]
        length = np.hypot(*apex)
        along = np.clip((points @ (apex / length) / length * 20).astype(int), 0, 19)
        diameters.append(np.bincount(along, minlength=20)[:20] * pixel**2 / (length * pixel / 20))
        lengths.append(length * pixel)
    return float(np.pi / 4 * (diameters[0] * diameters[1]).sum() * max(lengths) / 20 / 1000)


def test_every_patient_has_the_files_of_the_camus_release(phantom_root: Path) -> None:
    assert [folder.name for folder in folders(phantom_root)] == [f"patient{k:04d}" for k in range(1, sum(COUNTS) + 1)]
    for folder in folders(phantom_root):
        expected = {f"{folder.name}_{view}_{name}.nii.gz" for view in VIEWS for name in NAMES}
        expected |= {"Info_2CH.cfg", "Info_4CH.cfg", "MANDATORY_CITATION.md"}
        assert {path.name for path in folder.iterdir()} == expected


def test_split_lists_are_disjoint_and_complete(phantom_root: Path) -> None:
    lists = [
        (phantom_root / "database_split" / f"subgroup_{split}.txt").read_text().split()
        for split in ("training", "validation", "testing")
    ]
    assert tuple(map(len, lists)) == COUNTS
    assert sorted(itertools.chain(*lists)) == [folder.name for folder in folders(phantom_root)]


@pytest.mark.parametrize("view", VIEWS)
def test_arrays_are_stored_as_camus_stores_them(phantom_root: Path, view: str) -> None:
    for folder in folders(phantom_root):
        still = nibabel.load(folder / f"{folder.name}_{view}_ED.nii.gz")
        sequence = nibabel.load(folder / f"{folder.name}_{view}_half_sequence.nii.gz")
        assert still.get_data_dtype() == np.float32
        assert still.header.get_zooms() == pytest.approx((PIXEL_MM, PIXEL_MM))
        assert sequence.header.get_zooms() == pytest.approx((PIXEL_MM, PIXEL_MM, 1))
        assert sequence.shape[:2] == still.shape
        assert still.shape[0] > still.shape[1]  # the fan is wider than deep, and the first axis is the width
        pixels = np.asarray(sequence.dataobj)
        assert np.array_equal(pixels, np.rint(pixels))
        assert pixels.min() >= 0
        assert pixels.max() <= 255


@pytest.mark.parametrize("view", VIEWS)
def test_images_are_black_outside_the_fan(phantom_root: Path, view: str) -> None:
    for folder in folders(phantom_root):
        frames = read(folder, view, "half_sequence")
        height, width = frames.shape[1:]
        y, x = np.ogrid[:height, :width]
        half_angle = np.arcsin(min(1.0, width / 2 / height)) + 0.02
        outside = np.abs(np.arctan2(x + 0.5 - width / 2, y + 0.5)) > half_angle
        assert outside.any()
        assert frames[:, outside].max() == 0


@pytest.mark.parametrize("view", VIEWS)
def test_masks_hold_the_four_labels_and_lie_inside_the_frame(phantom_root: Path, view: str) -> None:
    for folder in folders(phantom_root):
        masks = read(folder, view, "half_sequence_gt")
        assert masks.shape == read(folder, view, "half_sequence").shape
        for mask in masks:
            assert set(np.unique(mask)) == {0, 1, 2, 3}
            rows, columns = np.nonzero(mask == 1)
            assert 0 < rows.min() < rows.max() < mask.shape[0] - 1
            assert 0 < columns.min() < columns.max() < mask.shape[1] - 1


@pytest.mark.parametrize("view", VIEWS)
def test_apex_is_up_and_the_atrium_below(phantom_root: Path, view: str) -> None:
    for folder in folders(phantom_root):
        mask = read(folder, view, "ED_gt")
        assert np.nonzero(mask == 1)[0].mean() < np.nonzero(mask == 3)[0].mean()


@pytest.mark.parametrize("view", VIEWS)
def test_stills_are_the_ends_of_the_sequence_that_the_cfg_names(phantom_root: Path, view: str) -> None:
    for folder in folders(phantom_root):
        info, frames, masks = (
            cfg(folder, view),
            read(folder, view, "half_sequence"),
            read(folder, view, "half_sequence_gt"),
        )
        assert int(info["NbFrame"]) == len(frames)
        assert {int(info["ED"]), int(info["ES"])} == {1, len(frames)}
        for phase in ("ED", "ES"):
            assert np.array_equal(frames[int(info[phase]) - 1], read(folder, view, phase))
            assert np.array_equal(masks[int(info[phase]) - 1], read(folder, view, f"{phase}_gt"))
        assert (read(folder, view, "ED_gt") == 1).sum() > (read(folder, view, "ES_gt") == 1).sum()


def test_cfg_states_the_true_biplane_ejection_fraction_in_both_views(phantom_root: Path) -> None:
    for folder, truth in zip(folders(phantom_root), read_manifest(phantom_root)["patients"], strict=True):
        assert truth["id"] == folder.name
        for view in VIEWS:
            info = cfg(folder, view)
            assert int(info["EF"]) == round(truth["ef_percent"])
            assert info["ImageQuality"] in ("Good", "Medium", "Poor")
            assert info["Sex"] in ("F", "M")
            assert 40 < float(info["FrameRate"]) < 75
            assert int(info["Age"]) > 17


def test_biplane_discs_from_the_masks_of_both_views_measure_the_true_volumes(phantom_root: Path) -> None:
    """Within 2 % of the volume and 1 point of EF at 0.8 mm (the mitral plane is up to 10° off the short axis)."""
    for folder, truth in zip(folders(phantom_root), read_manifest(phantom_root)["patients"], strict=True):
        edv, esv = (simpson_ml([read(folder, view, f"{p}_gt") for view in VIEWS], PIXEL_MM) for p in ("ED", "ES"))
        assert edv == pytest.approx(truth["edv_ml"], rel=0.02)
        assert esv == pytest.approx(truth["esv_ml"], rel=0.02)
        assert 100 * (1 - esv / edv) == pytest.approx(truth["ef_percent"], abs=1)


def test_manifest_gives_a_volume_per_frame_between_the_two_ends(phantom_root: Path) -> None:
    for folder, truth in zip(folders(phantom_root), read_manifest(phantom_root)["patients"], strict=True):
        for view in VIEWS:
            volumes = truth["views"][view]["volumes_ml"]
            assert len(volumes) == int(cfg(folder, view)["NbFrame"])
            assert max(volumes) == pytest.approx(truth["edv_ml"])
            assert min(volumes) == pytest.approx(truth["esv_ml"])


def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    roots = [
        generate(tmp_path / str(workers), patients=(1, 0, 1), seed=3, pixel_mm=2.0, workers=workers, progress=False)
        for workers in (1, 2)
    ]
    assert digest(roots[0]) == digest(roots[1])


def test_another_seed_gives_other_patients(tmp_path: Path) -> None:
    roots = [
        generate(tmp_path / str(seed), patients=(1, 0, 0), seed=seed, pixel_mm=2.5, workers=1, progress=False)
        for seed in (0, 1)
    ]
    efs = [read_manifest(root)["patients"][0]["ef_percent"] for root in roots]
    assert efs[0] != efs[1]


def test_a_finished_root_is_reused_untouched(phantom_root: Path) -> None:
    before = os.stat(phantom_root / "phantom.json")
    generate(phantom_root, patients=COUNTS, seed=3, pixel_mm=PIXEL_MM, workers=1, progress=False)
    after = os.stat(phantom_root / "phantom.json")
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_a_root_of_other_parameters_is_refused(phantom_root: Path) -> None:
    with pytest.raises(DataError, match="other parameters"):
        generate(phantom_root, patients=COUNTS, seed=4, pixel_mm=PIXEL_MM, progress=False)


def test_a_folder_that_is_no_phantom_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("data")
    with pytest.raises(DataError, match="is not a phantom"):
        generate(tmp_path, patients=(1, 0, 0), progress=False)
    assert (tmp_path / "precious.txt").read_text() == "data"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), RuntimeError("boom")])
def test_an_interrupted_generation_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    import harness.phantom.root as module

    written = module.write_patient

    def stop_at_the_second(folder: Path, parameters: object, index: int) -> object:
        if index == 1:
            raise interruption
        return written(folder, parameters, index)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_patient", stop_at_the_second)
    with pytest.raises(type(interruption)):
        generate(tmp_path / "root", patients=(2, 0, 0), pixel_mm=2.5, workers=1, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"patients": (0, 0, 0)}, {"patients": (-1, 1, 1)}, {"pixel_mm": 0.0}, {"seed": -1}])
def test_impossible_parameters_are_refused_in_a_sentence(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="must"):
        generate(tmp_path / "root", progress=False, **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_folder_has_no_manifest_to_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a finished phantom"):
        read_manifest(tmp_path)
