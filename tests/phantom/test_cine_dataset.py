"""``clip="cine"`` through the readers, the prepared cache, the check of a root and the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from harness.cli import main
from harness.data import Phantom, PreparedCache, prepare
from harness.data.inspection import inspect_clip, unreadable
from harness.errors import ConfigError
from harness.phantom import generate
from harness.phantom.cine import MARK, CineClips, build_dataset
from harness.phantom.layout import write_nifti

PIXEL_MM = 1.6


@pytest.fixture(scope="module")
def phantom_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coarser than the one of this folder: what the readers do with clips does not hang on their pixels."""
    root = tmp_path_factory.mktemp("phantom") / "root"
    return generate(root, patients=(2, 1, 1), seed=3, pixel_mm=PIXEL_MM, workers=1, progress=False)


def opened(root: Path, **options: object) -> CineClips:
    dataset = build_dataset(dict(type="Phantom", root=str(root), views=("4CH",), clip="cine", **options))
    assert isinstance(dataset, CineClips)
    return dataset


@pytest.fixture(scope="module")
def cache(phantom_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedCache:
    return prepare(opened(phantom_root), image_size=64, cache_root=tmp_path_factory.mktemp("cache"), workers=1)


def test_a_prepared_cine_clip_has_the_stills_at_its_ends_and_a_mask_on_every_frame(
    cache: PreparedCache, phantom_root: Path, tmp_path: Path
) -> None:
    stills = prepare(Phantom(phantom_root, views=("4CH",), clip="ed_es"), image_size=64, cache_root=tmp_path, workers=1)
    for split in ("train", "val", "test"):
        for clip, pair in zip(cache.split(split), stills.split(split), strict=True):
            assert clip.case == pair.case
            assert (clip.frames[[0, -1]] == pair.frames).all()
            assert (clip.native_masks()[[0, -1]] == pair.native_masks()).all()
            assert clip.labelled.all()
            assert not clip.interpolated.any()
            assert (clip.phase(0), clip.phase(1), clip.phase(len(clip) - 1)) == ("ED", "", "ES")


def test_every_result_carries_the_mark_and_the_fingerprint_the_seed_and_version(
    cache: PreparedCache, phantom_root: Path, tmp_path: Path
) -> None:
    assert cache.mark is not None
    assert cache.mark.startswith(MARK)
    assert "semi-synthetic" in MARK
    assert cache.manifest["options"]["cine"].keys() == {"version", "seed"}
    other = opened(phantom_root, cine_seed=1)
    assert other.fingerprint() != opened(phantom_root).fingerprint()


def test_workers_change_no_byte(cache: PreparedCache, phantom_root: Path, tmp_path: Path) -> None:
    again = prepare(opened(phantom_root), image_size=64, cache_root=tmp_path, workers=2, progress=False)
    assert again.manifest["files"] == cache.manifest["files"]


def test_a_refused_pair_is_left_out_named_and_counted(phantom_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(phantom_root, root)
    case = opened(root).cases("train")[0]
    path = root / "database_nifti" / case.patient / f"{case.name}_ES_gt.nii.gz"
    mask = np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj).T.astype(np.uint8)
    write_nifti(path, np.where(mask == 3, 0, mask).astype(np.uint8), PIXEL_MM)
    made = prepare(opened(root), image_size=32, cache_root=tmp_path / "cache", workers=1)
    assert made.mark is not None
    assert "1 of 4 clips refused" in made.mark
    assert "left atrium" in made.manifest["refused"][0]
    assert case not in made.split("train").cases
    # What the check of a root says of this clip; the others are made above and need not be made again.
    findings = unreadable([inspect_clip(opened(root), case)], root)
    assert [(item.check, item.level) for item in findings] == [("files", "warning")]
    assert "left atrium" in findings[0].message


def test_the_check_of_a_root_says_how_near_the_clips_are_to_a_real_sequence(
    phantom_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "check", str(phantom_root), "--dataset", "phantom", "--clip", "cine", "--views", "4CH"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--workers", "1"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert MARK in text
    for line in ("cine bright_fixed", "cine bright_carried", "cine cavity_fixed", "cine grey", "cine area"):
        assert line in text
    assert "one real half sequence" in text


def test_a_data_set_without_myocardium_has_no_cine_clips(phantom_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stills = Phantom(phantom_root, views=("4CH",), clip="ed_es")
    monkeypatch.setattr(stills, "structures", ("lv",))
    with pytest.raises(ConfigError, match=r"has none of myo, la; use --clip ed_es or half"):
        CineClips(stills)


def test_real_stills_make_clips(shared: Path) -> None:
    """Real CAMUS: the ends are the files' own pixels, the ED mask carried to ES is the ES mask, nothing folds."""
    arguments = dict(type="Camus", root=str(shared / "data" / "camus"), views=("4CH",), clip="cine", allow_partial=True)
    dataset = build_dataset(arguments)
    assert dataset.mark is not None
    assert dataset.mark.startswith(f"{MARK}; partial")
    case = dataset.cases("test")[0]
    clip, pair = dataset.load(case), build_dataset({**arguments, "clip": "ed_es"}).load(case)
    assert clip.frames[[0, -1]].tobytes() == pair.frames.tobytes()
    assert clip.masks[[0, -1]].tobytes() == pair.masks.tobytes()
    areas = (clip.masks == 1).sum(axis=(1, 2))
    assert np.diff(areas).max() <= 0.005 * areas[0]
