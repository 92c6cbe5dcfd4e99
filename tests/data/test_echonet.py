"""The EchoNet-Dynamic reader on small roots in its layout."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.clip import Case
from harness.data import ClipDataset, EchoNet, check, prepare
from harness.data.echonet import between
from harness.data.echonet_tables import tracing_mask
from harness.errors import ConfigError, DataError
from harness.phantom.echonet_writer import EchoNetVideo, trace_mask, write_echonet

SIZE = 112
ENDS = {"0XA": (2, 6), "0XB": (7, 1), "0XC": (0, 9), "0XD": (3, 5)}  # ED, ES
SPLITS = {"0XA": "train", "0XB": "train", "0XC": "val", "0XD": "test"}


def ellipse(scale: float, tilt: float = 0.3) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    along = rows * np.cos(tilt) + columns * np.sin(tilt)
    across = columns * np.cos(tilt) - rows * np.sin(tilt)
    return (along / 34) ** 2 + (across / 17) ** 2 < scale


def videos() -> list[EchoNetVideo]:
    made = []
    for number, (name, (ed, es)) in enumerate(ENDS.items()):
        frames = np.stack([np.full((SIZE, SIZE), 20 * frame + number, np.uint8) for frame in range(10)])
        masks = {min(ed, es): ellipse(1.0 if ed < es else 0.6), max(ed, es): ellipse(0.6 if ed < es else 1.0)}
        made.append(
            EchoNetVideo(
                name=name, split=SPLITS[name], frames=frames, masks=masks, ef_percent=55.5, edv_ml=100, esv_ml=44.5
            )
        )
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_echonet(tmp_path / "echonet", videos())


def case(name: str) -> Case:
    return Case(dataset="echonet", split=SPLITS[name], patient=name, view="4CH")


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def test_a_root_is_read_with_its_splits_and_its_own_mark(root: Path) -> None:
    dataset = EchoNet(root)
    dataset.verify()
    assert [item.patient for item in dataset.cases("train")] == ["0XA", "0XB"]
    assert dataset.mark == "own list (2/1/1 videos)"


def test_a_clip_runs_from_ed_to_es_with_masks_at_its_ends_and_no_spacing(root: Path) -> None:
    clip = EchoNet(root).load(case("0XA"))
    assert clip.frames.shape == (5, SIZE, SIZE)
    assert clip.frames.mean((1, 2)).round() == pytest.approx([40, 60, 80, 100, 120], abs=2)
    assert clip.labelled.tolist() == [True, False, False, False, True]
    assert not clip.masks[1:-1].any()
    assert (clip.ed, clip.es, clip.spacing_mm, clip.ef_percent, clip.frame_rate_hz) == (0, 4, None, 55.5, 50.0)


def test_the_larger_mask_is_ed_and_the_clip_is_cyclic_where_es_comes_first(root: Path) -> None:
    clip = EchoNet(root).load(case("0XB"))
    assert clip.frames.mean((1, 2)).round() == pytest.approx([141, 161, 181, 1, 21], abs=2)
    assert clip.masks[0].sum() > clip.masks[-1].sum()
    assert clip.notes == ["order: the traced ES precedes ED in the video"]


def test_the_pair_of_stills(root: Path) -> None:
    clip = EchoNet(root, clip="ed_es").load(case("0XB"))
    assert clip.frames.mean((1, 2)).round() == pytest.approx([141, 21], abs=2)


@pytest.mark.parametrize(
    ("ed", "es", "expected"), [(2, 4, [2, 3, 4]), (4, 1, [4, 5, 0, 1]), (0, 5, [0, 1, 2, 3, 4, 5])]
)
def test_between(ed: int, es: int, expected: list[int]) -> None:
    assert between(ed, es, 6).tolist() == expected


def test_the_official_rule_drops_the_long_axis_and_rounds() -> None:
    tracing = np.array([[50.0, 0, 50, 100], [10.4, 20, 30.4, 20], [10, 39.6, 30, 40.4]])
    mask = tracing_mask(tracing, (SIZE, SIZE))
    assert mask[20:41, 10:31].all()
    assert mask.sum() == 21 * 21


def test_tracing_a_mask_and_filling_it_gives_it_back() -> None:
    for scale in (0.6, 1.0):
        mask = ellipse(scale)
        again = tracing_mask(trace_mask(mask), mask.shape)
        assert 2 * (mask & again).sum() / (mask.sum() + again.sum()) > 0.97


def test_the_known_bad_items_are_left_out_without_a_word(root: Path) -> None:
    edit(root / "FileList.csv", lambda text: text + "0X5DD5283AC43CCDD1,60,40,100,768,1024,50,100,TEST\n")
    edit(root / "VolumeTracings.csv", lambda text: text + "0X4F8859C8AB4DA9CB.avi,1,2,3,4,5\n")
    dataset = EchoNet(root)
    dataset.verify()
    assert len(dataset.cases("test")) == 1
    assert all(finding.level == "note" for finding in dataset.layout())


def test_a_missing_video_makes_the_root_partial(root: Path) -> None:
    (root / "Videos/0XB.avi").unlink()
    with pytest.raises(DataError, match=r"lacks the video file of 1 videos \(0XB\); accept that with --allow-partial"):
        EchoNet(root).verify()
    accepted = EchoNet(root, allow_partial=True)
    accepted.verify()
    assert str(accepted.mark).startswith("partial: 3 of 4 listed videos")


def test_a_video_without_tracings_makes_the_root_partial(root: Path) -> None:
    edit(root / "VolumeTracings.csv", lambda text: "\n".join(line for line in text.splitlines() if "0XD" not in line))
    with pytest.raises(DataError, match=r"lacks the two traced frames of 1 videos \(0XD\)"):
        EchoNet(root).verify()
    with pytest.raises(DataError, match=r"split 'test' of .* has no usable video"):
        EchoNet(root, allow_partial=True).verify()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("FileList.csv", lambda text: text.replace("TRAIN", "TRIAN"), "unknown split TRIAN"),
        ("FileList.csv", lambda text: text.replace("Split", "XX"), "lacks the column Split"),
        ("VolumeTracings.csv", lambda text: text.replace(",2\n", ",second\n", 1), "empty or non-numeric value in row"),
        ("FileList.csv", lambda text: text + text.splitlines()[1] + "\n", "lists 0XA more than once"),
        ("FileList.csv", lambda text: "", "not a readable table"),
        ("VolumeTracings.csv", lambda text: text.replace("Frame", "Time"), "lacks the column Frame"),
    ],
)
def test_damaged_tables_are_one_sentence(root: Path, name: str, change: Callable[[str], str], words: str) -> None:
    edit(root / name, change)
    with pytest.raises(DataError, match=words) as caught:
        EchoNet(root).verify()
    assert "\n" not in str(caught.value)


def test_missing_tables_are_one_sentence(root: Path) -> None:
    (root / "VolumeTracings.csv").unlink()
    with pytest.raises(DataError, match=r"VolumeTracings.csv does not exist"):
        EchoNet(root).verify()
    (root / "FileList.csv").unlink()
    with pytest.raises(DataError, match=r"it has no FileList.csv"):
        EchoNet(root).verify()


@pytest.mark.parametrize("content", [b"", b"RIFF but no video at all"])
def test_a_damaged_video_is_one_sentence(root: Path, content: bytes) -> None:
    (root / "Videos/0XA.avi").write_bytes(content)
    with pytest.raises(DataError, match=r"0XA.avi is damaged or not a motion-JPEG AVI"):
        EchoNet(root).load(case("0XA"))


def test_a_tracing_behind_the_end_of_the_video_is_one_sentence(root: Path) -> None:
    edit(root / "VolumeTracings.csv", lambda text: re.sub(r"(0XA.*),6\n", r"\1,60\n", text))
    with pytest.raises(DataError, match="holds 10 frames, but frame 60 is traced"):
        EchoNet(root).load(case("0XA"))


def test_the_check_reports_and_a_cache_is_prepared(root: Path, tmp_path: Path) -> None:
    dataset = EchoNet(root)
    text = " ".join(finding.message for finding in check(dataset, workers=1))
    assert "the traced ES precedes ED in the video: 0XB_4CH" in text
    assert "none (4 clips)" in text
    cache = prepare(dataset, image_size=56, cache_root=tmp_path / "cache", workers=1, progress=False)
    clip = cache.split("test").clip(0)
    assert clip.spacing_mm is None
    assert clip.native_size == (SIZE, SIZE)
    assert cache.structures == ("lv",)


def test_structures_without_masks_are_refused(root: Path, tmp_path: Path) -> None:
    cache = prepare(EchoNet(root), image_size=56, cache_root=tmp_path / "cache", workers=1, progress=False)
    with pytest.raises(ConfigError, match="'echonet' has no masks of myo"):
        ClipDataset(cache.split("train"), clip_length=2, structures="all")


def test_an_unknown_view_and_split_lists_are_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown view '2CH'"):
        EchoNet(root, views=("2CH",))
    with pytest.raises(DataError, match="leave --split-dir out"):
        EchoNet(root, split_dir=root)


def test_the_writer_refuses_a_full_folder_and_an_empty_mask(root: Path) -> None:
    with pytest.raises(DataError, match="is not empty"):
        write_echonet(root, videos())
    with pytest.raises(DataError, match="cannot be traced"):
        trace_mask(np.zeros((4, 4), bool))
