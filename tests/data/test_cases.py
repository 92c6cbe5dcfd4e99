"""Inputs that others stumbled over: every folder of the shared cases ends as its README says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data import Camus, EchoNet, prepare
from harness.data.inspection import check
from harness.data.media import open_source
from harness.data.recognise import recognise
from harness.errors import DataError


@pytest.fixture(scope="module")
def cases(shared: Path) -> Path:
    if not (shared / "cases").is_dir():
        pytest.skip("no folder of cases")
    return shared / "cases"


def folder(cases: Path, number: str) -> Path:
    return next(iter(cases.glob(f"{number}-*")))


def camus(cases: Path, number: str, **options: Any) -> Camus:
    return Camus(folder(cases, number), **{"clip": "ed_es", "allow_partial": True, **options})


def findings(cases: Path, number: str, **options: Any) -> list[str]:
    found = check(camus(cases, number, **options), workers=0)
    return [f"{item.level} {item.count}: {item.message}" for item in found if item.level != "note"]


def test_04_binary_masks_are_one_line_with_a_remedy(cases: Path) -> None:
    (line,) = [text for text in findings(cases, "04") if text.startswith("error")]
    assert line.startswith("error 12: ")
    assert "the label 255, as binary masks" in line
    assert "lv: 255" in line
    assert "The same is wrong with 11 other clips." in line


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("05", "no mask holds myo: it cannot be segmented, --structures must leave it out"),
        ("16", "the header says 1 x 1, as if nobody had filled it in; the pixel size counts as unknown"),
        ("16", "images and masks state different pixel sizes"),
        ("17", "pixel spacing 0.154 x 0.308 mm (row x column) instead of 0.308 x 0.308"),
        ("20", "warning 1: a labelled frame has no lv, which the others have: patient0006_4CH"),
    ],
)
def test_what_is_strange_is_said_once(cases: Path, number: str, expected: str) -> None:
    assert sum(expected in line for line in findings(cases, number)) == 1


def test_06_a_sequence_with_a_slice_axis_is_read(cases: Path) -> None:
    dataset = camus(cases, "06", clip="half")
    assert len({dataset.load(case).frames.ndim for case in dataset.cases("test")}) == 1


def test_16_and_22_a_lost_pixel_size_stands_in_the_mark_and_gives_pixels(cases: Path, tmp_path: Path) -> None:
    cache = prepare(camus(cases, "16"), image_size=16, cache_root=tmp_path, workers=0, progress=False)
    assert "pixel size unknown for 12 of 12 clips" in (cache.mark or "")
    assert {clip.spacing_mm for clip in cache.split("test")} == {None}
    assert sum("1 x 1" in finding.message for finding in cache.findings) == 1


def test_18_the_owners_ten_folds(cases: Path) -> None:
    with pytest.raises(DataError, match=r"of the folds 1 .*choose one with --fold"):
        camus(cases, "18").verify()
    assert (camus(cases, "18", fold=1).mark or "").endswith("fold 1")


def areas(dataset: EchoNet) -> dict[str, tuple[int, ...]]:
    loaded = [dataset.load(case) for split in ("train", "val", "test") for case in dataset.cases(split)]
    return {clip.case.patient: tuple(int(clip.masks[frame].sum()) for frame in (clip.ed, clip.es)) for clip in loaded}


@pytest.mark.parametrize(
    ("number", "below", "options", "videos"),
    [("30", "", {}, 10), ("31", "", {}, 10), ("32", "A4C", {"fold": 0}, 10), ("37", "", {}, 6), ("38", "", {}, 10)],
)
def test_echonet_tables_give_the_right_ventricles(
    cases: Path, number: str, below: str, options: dict[str, Any], videos: int
) -> None:
    dataset = EchoNet(folder(cases, number) / below, **options)
    dataset.verify()
    found = areas(dataset)
    assert found == dict.fromkeys(found, (1402, 809))
    assert len(found) == videos


@pytest.mark.parametrize(
    ("number", "sentence"),
    [("30", "4 frames were traced several times"), ("31", "2 videos have more than two traced frames")],
)
def test_unusual_tracings_are_counted(cases: Path, number: str, sentence: str) -> None:
    assert any(sentence in item.message for item in EchoNet(folder(cases, number)).layout())


def test_32_pediatric_is_named_and_asks_for_a_fold(cases: Path) -> None:
    assert recognise(folder(cases, "32")) == "echonet"
    with pytest.raises(DataError, match=r"that is EchoNet-Pediatric: give .*A4C"):
        EchoNet(folder(cases, "32")).verify()
    with pytest.raises(DataError, match=r"folds 0 to 9 .*--fold"):
        EchoNet(folder(cases, "32") / "A4C").verify()


def test_38_one_empty_ef_costs_one_ef(cases: Path) -> None:
    efs = [video.ef_percent for video in EchoNet(folder(cases, "38")).usable]
    assert (len(efs), efs.count(None)) == (10, 1)


def test_40_another_folder_of_videos_is_named(cases: Path) -> None:
    with pytest.raises(DataError, match="looked for in Videos/, which is absent; the AVI files in a4c-video-dir/"):
        EchoNet(folder(cases, "40")).verify()


@pytest.mark.parametrize(
    ("number", "name", "spacing", "note"),
    [
        ("60", "norm.nii.gz", 0.616, "grey levels 0..1 were multiplied by 255"),
        ("64", "", None, None),
        ("67", "", None, "10 pictures named as masks of others were left out"),
        ("69", "loop.tif", None, None),
        ("70", "clip.npz", None, None),
        ("70", "clip.npy", None, None),
        ("73", "s.mhd", None, None),
    ],
)
def test_a_clip_of_every_kind_has_the_levels_of_the_original(
    cases: Path, number: str, name: str, spacing: float | None, note: str | None
) -> None:
    source = open_source(folder(cases, number) / name)
    frames = np.stack(list(source.frames()))
    original = np.stack(list(open_source(folder(cases, "60") / "same-0-255.nii.gz").frames()))
    assert np.abs(frames.astype(int) - original).max() <= 1
    assert [note in text for text in source.notes] == ([True] if note else [])
    if spacing is not None:
        assert source.spacing_mm == pytest.approx((spacing, spacing))


def test_63_a_coloured_nifti_is_one_sentence(cases: Path) -> None:
    with pytest.raises(DataError, match="holds colours or other compound values"):
        open_source(folder(cases, "63") / "rgb.nii.gz")
