"""A first manifest from usual layouts reads as a data set at once, says what it guessed, and replaces nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data import Folder
from harness.data.folder_guess import guess_manifest, write_guess
from harness.errors import DataError


def write_pairs(root: Path, clip: str, mask: str, patients: int = 5) -> Path:
    for number in range(patients):
        noise = np.random.default_rng(number).integers(0, 200, (12, 10)).astype(np.uint8)
        for name, pixels in ((clip, noise), (mask, (noise > 100).astype(np.uint8) * 255)):
            path = root / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


@pytest.mark.parametrize(
    ("clip", "mask"),
    [
        ("images/p{:02d}_4CH.png", "masks/p{:02d}_4CH.png"),
        ("imagesTr/case_{:03d}_0000.png", "labelsTr/case_{:03d}.png"),
        ("p{0:02d}_4CH.png", "p{0:02d}_4CH_gt.png"),
        ("p{0:02d}/a4c.png", "p{0:02d}/a4c_mask.png"),
    ],
)
def test_usual_layouts_become_a_data_set(tmp_path: Path, clip: str, mask: str) -> None:
    root = write_pairs(tmp_path, clip, mask)
    guess = guess_manifest(root)
    write_guess(root, guess)
    dataset = Folder(root)
    assert (len(dataset.rows), dataset.structures) == (5, ("lv",))
    assert "one value, taken as lv" in " ".join(guess.sentences)
    if not clip.startswith("p{0:02d}/a4c"):
        assert len({row.patient for row in dataset.rows}) == 5
    with pytest.raises(DataError, match="exists already"):
        write_guess(root, guess)


def test_a_folder_without_pairs_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match="images/ beside masks/"):
        guess_manifest(tmp_path)


@pytest.mark.parametrize(
    ("case", "clips"), [("08-ted-mhd", 6), ("11-flat-folder", 24), ("12-png-pairs", 6), ("13-h5-npz", 3)]
)
def test_the_shared_layouts_are_recognised(shared: Path, case: str, clips: int) -> None:
    if not (shared / "cases" / case).is_dir():
        pytest.skip("no folder of cases")
    # Stills of ED and ES of a view are one clip.
    assert len(guess_manifest(shared / "cases" / case).rows) == clips
