"""Stills of ED and ES become one clip, names of clips never coincide, and structures are called by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_folder import row, write_root
from test_folder_guess import write_pairs

from harness.data import Folder, check
from harness.data.folder_guess import guess_manifest, write_guess
from harness.errors import DataError


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """Four patients with an ED and an ES picture of the four-chamber view, one of them with a second pair."""
    for phase in ("ED", "ES"):
        write_pairs(tmp_path, f"images/p{{:02d}}_4CH_{phase}.png", f"masks/p{{:02d}}_4CH_{phase}.png", patients=4)
        write_pairs(
            tmp_path, f"images/p{{:02d}}_again_4CH_{phase}.png", f"masks/p{{:02d}}_again_4CH_{phase}.png", patients=1
        )
    for path in (tmp_path / "images").glob("*_ES.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    return tmp_path


def test_ed_and_es_of_a_view_are_one_clip_of_two_frames(stills: Path) -> None:
    guess = guess_manifest(stills)
    assert any(sentence.startswith("Stills: 5 pairs named ED and ES") for sentence in guess.sentences)
    assert any(
        sentence.startswith("Views: 1 clip of a patient and view that has one already") for sentence in guess.sentences
    )
    write_guess(stills, guess)
    dataset = Folder(stills)
    assert sorted(f"{row.patient}_{row.view}" for row in dataset.rows) == [
        "p00_4CH", "p00_4CH.2", "p01_4CH", "p02_4CH", "p03_4CH",
    ]  # fmt: skip
    clip = dataset.load(next(case for case in dataset.by_case if case.patient == "p01"))
    ed, es = (np.asarray(Image.open(stills / f"images/p01_4CH_{phase}.png")) for phase in ("ED", "ES"))
    np.testing.assert_array_equal(clip.frames, [ed, es])
    assert (clip.ed, clip.es, clip.labelled.tolist()) == (0, 1, [True, True])
    assert any(finding.message.endswith("named with a number: p00_4CH.2") for finding in dataset.layout())
    assert {path.name for path in dataset.sources()} >= {"p01_4CH_ED.png", "p01_4CH_ES.png"}


def test_files_of_one_cell_have_one_size_and_all_exist(tmp_path: Path) -> None:
    write_pairs(tmp_path, "c{}.png", "m{}.png", patients=2)
    Image.fromarray(np.full((5, 5), 9, np.uint8)).save(tmp_path / "c1.png")
    dataset = Folder(
        write_root(tmp_path, [row(clip="c0.png|c1.png", mask="m0.png|m1.png", ed="0", es="1")], "lv: 255\n")
    )
    with pytest.raises(DataError, match="are one clip in the manifest and have another size"):
        dataset.load(dataset.cases("train")[0])
    (tmp_path / "c1.png").unlink()
    with pytest.raises(DataError, match=r"the clip of 1 rows? \(c0.png\|c1.png \(line 2\)"):
        Folder(tmp_path).verify()


def test_two_patients_whose_clips_would_have_one_name_are_refused(tmp_path: Path) -> None:
    write_root(tmp_path, [row(patient="a", view="b_c"), row(patient="a_b", view="c")])
    with pytest.raises(
        DataError, match=r"lines 2 and 3: patient 'a' with view 'b_c' and patient 'a_b' .* called a_b_c"
    ):
        Folder(tmp_path)


def test_a_check_calls_structures_by_their_names(tmp_path: Path) -> None:
    write_pairs(tmp_path, "c{}.png", "m{}.png", patients=3)
    rows = [
        row(clip=f"c{n}.png", mask=f"m{n}.png", patient=f"p{n}", split=s)
        for n, s in enumerate(("train", "val", "test"))
    ]
    found = check(Folder(write_root(tmp_path, rows, "ventricle: 255\n")), workers=0)
    assert [finding.message for finding in found if finding.check == "labels"] == ["background, ventricle found"]
