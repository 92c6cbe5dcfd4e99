"""Files of masks find their case and frame by name, by a map, or are named as belonging to nobody."""

from __future__ import annotations

from pathlib import Path

import cv2
import nibabel
import numpy as np
import pandas as pd
import pytest
from beating_split import FakeSplit, fake_split

from harness.errors import DataError
from harness.evaluation.mask_files import MaskFolder
from harness.evaluation.scoring import Scoring, given_masks, missing_masks, score_masks

RUN = {"run": "r", "model": "m", "seed": 0}


def score(masks, split: FakeSplit, **options) -> pd.DataFrame:
    return score_masks(masks, split, **{"structures": "lv", "run_columns": RUN, "progress": False, **options})  # type: ignore[arg-type]


def names(split: FakeSplit) -> list[str]:
    return [case.name for case in split.cases]


def write(folder: Path, kind: str, split: FakeSplit) -> dict[str, str]:
    """The LV of the references as another program would write it; returns a map (file → case, frame) where it numbers them."""
    numbers: dict[str, str] = {}
    for clip in split.clips:
        lv = (clip.native == 1).astype(np.uint8)
        case = clip.case.name
        if kind == "nifti":
            nibabel.save(nibabel.Nifti1Image(lv.transpose(2, 1, 0), np.eye(4)), folder / f"{case}_gt.nii.gz")
        elif kind == "npz":
            np.savez_compressed(folder / f"{case}.npz", masks=lv)
            continue
        for frame in np.flatnonzero(clip.labelled):
            phase = clip.phase(frame)
            if kind == "png":
                cv2.imwrite(str(folder / f"{case}_{frame:04d}.png"), lv[frame] * 255)
            elif kind == "phases":
                cv2.imwrite(str(folder / f"{case}_{phase}_mask.png"), lv[frame])
            elif kind == "folders":
                (folder / case).mkdir(exist_ok=True)
                cv2.imwrite(str(folder / case / f"{frame}.png"), cv2.merge([lv[frame]] * 3))
            elif kind == "numbers":
                number = f"echo_{len(numbers):03d}"
                numbers[number] = f"{case},{frame}"
                cv2.imwrite(str(folder / f"{number}.png"), lv[frame])
    if kind == "archive":
        arrays = {f"{c.case.name}_{f}": (c.native[f] == 1) for c in split.clips for f in np.flatnonzero(c.labelled)}
        np.savez_compressed(folder / "all.npz", **arrays)  # type: ignore[arg-type]
    return numbers


@pytest.mark.parametrize("kind", ["nifti", "npz", "png", "phases", "folders", "archive", "numbers"])
def test_the_references_written_in_any_way_score_a_dice_of_one(tmp_path: Path, kind: str) -> None:
    split = fake_split(1)
    numbers = write(tmp_path, kind, split)
    table = tmp_path / "cases.csv"
    table.write_text("file,case,frame\n" + "".join(f"{name}.png,{where}\n" for name, where in numbers.items()))
    folder = MaskFolder(tmp_path, names(split), table if numbers else None)
    assert missing_masks(folder, split) == []
    assert given_masks(folder, split) == []
    rows = score(folder, split)
    dice, distance = (rows[rows["metric"] == metric]["value"] for metric in ("dice", "hd95_mm"))
    assert (len(dice), set(dice), set(distance)) == (4, {1.0}, {0.0})


def test_what_is_missing_or_too_much_is_named_and_never_leaves_a_mean(tmp_path: Path) -> None:
    split = fake_split(2)
    write(tmp_path, "png", split)
    complete = score(MaskFolder(tmp_path, names(split)), split)
    (tmp_path / "0001_2CH_0000.png").unlink()
    for path in tmp_path.glob("0002_4CH_*"):
        path.rename(tmp_path / f"stranger_{path.name}")
    folder = MaskFolder(tmp_path, names(split))
    assert missing_masks(folder, split) == ["0001_2CH frame 0", "0002_4CH"]
    assert given_masks(folder, split) == ["stranger_0002_4CH_0000", "stranger_0002_4CH_0005"]
    with pytest.raises(DataError, match=r"1 of 4 cases \(0001_2CH frame 0, 0002_4CH\)"):
        score(folder, split)
    rows = score(folder, split, scoring=Scoring(missing="empty"))
    assert len(rows) == len(complete)
    dice = rows[rows["metric"] == "dice"].set_index(["patient", "view", "frame"])["value"]
    assert len(dice) == 8
    assert sorted(dice[dice == 0].index) == [("0001", "2CH", 0), ("0002", "4CH", 0), ("0002", "4CH", 5)]
    assert rows[rows["metric"] == "empty"]["value"].eq(2).sum() == 3


def test_masks_of_another_size_are_refused_or_brought_to_the_clip_s(tmp_path: Path) -> None:
    split = fake_split(1)
    large = {c.case.name: c.native.repeat(2, axis=1).repeat(2, axis=2) for c in split.clips}
    with pytest.raises(DataError, match=r"must be \[T, 64, 96\].*--resize"):
        score(large, split)
    rows = score(large, split, scoring=Scoring(resize=True))
    assert rows[rows["metric"] == "dice"]["value"].eq(1.0).all()


def test_a_frame_zero_that_was_given_is_not_scored() -> None:
    split = fake_split(1)
    rows = score({c.case.name: c.native for c in split.clips}, split, scoring=Scoring(first_frame="gt"))
    assert set(rows[rows["metric"] == "dice"]["frame"]) == {5}


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"0001_2CH.npy": np.zeros((6, 64, 96)), "0001_2CH_0.npy": np.zeros((64, 96))}, "are both masks of 0001_2CH"),
        ({"0001_2CH_0.npy": np.zeros((2, 64, 96))}, "is one frame by its name but has the shape"),
        ({"0001_2CH_0.png": np.arange(18, dtype=np.uint8).reshape(2, 3, 3)}, "is a coloured picture"),
        ({"0001_2CH_0.png": None}, "damaged or no PNG"),
        ({"0001_2CH.npz": None}, "cannot be read as arrays"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_by_name(tmp_path: Path, files: dict, sentence: str) -> None:
    for name, content in files.items():
        path = tmp_path / name
        if content is None:
            path.write_bytes(b"not what it says")
        elif path.suffix == ".png":
            cv2.imwrite(str(path), content)
        else:
            np.save(path, content)
    with pytest.raises(DataError, match=sentence):
        MaskFolder(tmp_path, ["0001_2CH"])["0001_2CH"]


def test_a_map_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("name,patient\na,b\n")
    with pytest.raises(DataError, match="needs the columns file and case"):
        MaskFolder(tmp_path, ["a"], tmp_path / "map.csv")


def test_a_corrected_map_is_another_fingerprint(tmp_path: Path) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.full((2, 2), ord(name) % 2))
    prints = []
    for number, cases in enumerate(["pq", "qp", "pq"]):
        table = tmp_path / f"map{number}.csv"
        table.write_text("file,case,frame\n" + "".join(f"{f},{c},0\n" for f, c in zip("ab", cases, strict=True)))
        prints.append(MaskFolder(tmp_path, ["p", "q"], table).fingerprint())
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"file,case,frame\na.png,p,0\na.png,q,0\n", "lists a.png twice"),
        (b"file,case,frame\na.png\n", "Row 2 of the map .* is incomplete"),
        (b"file,case,frame\na.png,p,first\n", "Row 2 of the map .* is incomplete"),
        ("file,case\ncœur,é\n".encode("utf-16"), "is no CSV in UTF-8"),
        (b"file,case\na,\xe9\n", "is no CSV in UTF-8"),
    ],
)
def test_a_map_that_is_doubtful_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "map.csv").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        MaskFolder(tmp_path, ["p", "q"], tmp_path / "map.csv")


def test_archives_that_are_cut_or_damaged_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "0001_2CH.npz"
    np.savez(path, masks=np.arange(4096, dtype=np.int64).reshape(1, 64, 64))
    whole = path.read_bytes()
    for damaged in (whole[:2000], whole[:20000] + b"xxxx" + whole[20004:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"0001_2CH\.npz (cannot be read|is damaged)"):
            MaskFolder(tmp_path, ["0001_2CH"])["0001_2CH"]


def test_probabilities_beside_masks_and_capital_endings(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "0001_2CH.npz", probabilities=np.zeros((2, 1, 4, 4)))
    nibabel.save(nibabel.Nifti1Image(np.full((4, 4, 1), 4, np.uint8), np.eye(4)), tmp_path / "0001_2CH.nii.gz")
    cv2.imwrite(str(tmp_path / "x.png"), np.ones((4, 4), np.uint8))
    (tmp_path / "x.png").rename(tmp_path / "0001_4CH_0.PNG")
    folder = MaskFolder(tmp_path, ["0001_2CH", "0001_4CH"])
    assert (set(folder["0001_4CH"]), folder.extra) == ({0}, [])
    np.testing.assert_array_equal(folder["0001_2CH"], np.full((1, 4, 4), 4))  # a label of a data set of one's own


def test_a_binary_mask_is_of_the_structure_that_is_scored(tmp_path: Path) -> None:
    split = fake_split(1)
    rows = score({c.case.name: (c.native == 3) * 255 for c in split.clips}, split, structures="la")
    assert set(rows[rows["metric"] == "dice"]["value"]) == {1.0}
