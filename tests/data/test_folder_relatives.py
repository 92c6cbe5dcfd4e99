"""What spreadsheets, file managers and other programs make of a folder's table and files: read as meant, or refused in a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from harness.data import Folder
from harness.data.folder_manifest import read_labels_file, read_manifest
from harness.errors import DataError
from harness.phantom.echonet_writer import write_avi

COLUMNS = ("clip", "mask", "patient", "split", "ed", "es", "spacing_row_mm", "spacing_col_mm")
TABLE = [COLUMNS, ("c.npz", "c.npz", "p", "train", "0", "1", "0.308", "0.308")]


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Two frames with a disc that shrinks."""
    rows, columns = np.mgrid[:16, :20]
    masks = np.stack([np.hypot(rows - 8, columns - 10) < radius for radius in (6, 4)]).astype(np.uint8)
    return 40 + 150 * masks, masks


def table(separator: str = ",", decimal: str = ".", end: str = "\n") -> str:
    return "".join(separator.join(cell.replace(".308", f"{decimal}308") for cell in line) + end for line in TABLE)


@pytest.mark.parametrize(
    "content",
    [
        table().encode(),
        table().encode("utf-8-sig"),
        table(end="\r\n").encode(),
        table(";", ",").encode("utf-8-sig"),
        table("\t", ",", "\r\n").encode(),
        table(" , ").encode(),
        table(end="\n,,,,,,,\n\n").encode(),
        table().replace("clip,mask", "Clip,MASK").encode(),
        table().replace("0.308,0.308", '"0,308","0,308"').encode(),
    ],
    ids=["plain", "bom", "crlf", "semicolons", "tabs", "blanks", "empty rows", "capitals", "quoted commas"],
)
def test_a_table_as_spreadsheets_save_it_is_read_the_same(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    (row,) = read_manifest(tmp_path / "manifest.csv")
    assert (row.clip, row.patient, row.split, row.ed, row.es) == ("c.npz", "p", "train", 0, 1)
    assert row.spacing_mm == (0.308, 0.308)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_table_in_another_encoding_says_how_to_save_it(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(table().replace(",p,", ",M\xfcller,").encode(encoding))
    with pytest.raises(DataError, match="save it as CSV in UTF-8"):
        read_manifest(tmp_path / "manifest.csv")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("ed,es", "ed,ed"), "has the column ed twice; take one of them out"),
        (
            lambda text: text.replace("0.308", "0,308"),
            "line 2: more cells than the 8 columns .*quote cells that hold a comma",
        ),
        (
            lambda text: text + text.splitlines()[1],
            "lines 2 and 3: the same clip and mask of patient 'p'; take one out",
        ),
        (lambda text: text.splitlines()[0], "has no rows; it needs one per clip"),
        (lambda text: "", "lacks the column clip, mask, patient"),
    ],
    ids=["column twice", "unquoted decimal commas", "row twice", "no row", "nothing"],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, change: Callable[[str], str], sentence: str) -> None:
    (tmp_path / "manifest.csv").write_text(change(table()))
    with pytest.raises(DataError, match=sentence):
        read_manifest(tmp_path / "manifest.csv")


@pytest.mark.parametrize("text", ["lv: 1\nlv: 2\n", "LV: 1\nlv: [1, 2]\n"])
def test_a_structure_that_is_named_twice_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.yaml").write_text(text)
    with pytest.raises(DataError, match="names lv twice; give all its values in one line"):
        read_labels_file(tmp_path / "labels.yaml")


def folder(root: Path, clip: str, mask: str, **cells: str) -> Folder:
    row = {"clip": clip, "mask": mask, "patient": "p", "split": "train", "ed": "0", "es": "1", **cells}
    (root / "manifest.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    (root / "labels.yaml").write_text("lv: 1\n")
    return Folder(root)


def pictures(root: Path, values: np.ndarray, suffix: str) -> str:
    root.mkdir()
    for number, frame in enumerate(values):
        Image.fromarray(frame).save(root / f"f{number}{suffix}")
    return root.name


def test_hidden_files_and_capital_suffixes_change_nothing(tmp_path: Path) -> None:
    frames, masks = drawn()
    clip, mask = pictures(tmp_path / "clip", frames, ".PNG"), tmp_path / "m.nii.gz"
    for name in ("._f0.PNG", ".DS_Store", "Thumbs.db"):
        (tmp_path / "clip" / name).write_bytes(b"Mac OS X")
    nibabel.save(nibabel.Nifti1Image(masks.transpose(2, 1, 0), np.eye(4)), mask)
    os.rename(mask, tmp_path / "M.NII.GZ")
    dataset = folder(tmp_path, clip, "M.NII.GZ")
    loaded = dataset.load(dataset.cases("train")[0])
    np.testing.assert_array_equal(loaded.frames, frames)
    np.testing.assert_array_equal(loaded.masks, masks)


def as_jpeg(root: Path, masks: np.ndarray) -> str:
    return pictures(root / "masks", masks, ".jpg")


def as_avi(root: Path, masks: np.ndarray) -> str:
    write_avi(root / "masks.avi", masks * 255, 25.0)
    return "masks.avi"


@pytest.mark.parametrize("write", [as_jpeg, as_avi])
def test_masks_in_a_kind_that_loses_values_are_refused(
    tmp_path: Path, write: Callable[[Path, np.ndarray], str]
) -> None:
    frames, masks = drawn()
    np.savez(tmp_path / "c.npz", video=frames)
    dataset = folder(tmp_path, "c.npz", write(tmp_path, masks))
    with pytest.raises(DataError, match=r"changes their values when it is saved .*save them as PNG"):
        dataset.load(dataset.cases("train")[0])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"spacing_row_mm": "1", "spacing_col_mm": "1"}, ["the manifest states pixels of 1 x 1 mm"]),
        ({"spacing_row_mm": "0.308", "spacing_col_mm": "0.308"}, []),
    ],
)
def test_pixels_of_one_millimetre_are_asked_about(tmp_path: Path, cells: dict[str, Any], said: list[str]) -> None:
    frames, masks = drawn()
    np.savez(tmp_path / "c.npz", video=frames, mask=masks)
    dataset = folder(tmp_path, "c.npz", "c.npz", **cells)
    notes = dataset.load(dataset.cases("train")[0]).notes
    assert [said[0] in note for note in notes] == [True] * len(said) if said else not notes
