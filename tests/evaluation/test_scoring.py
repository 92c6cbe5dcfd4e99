"""Masks made elsewhere get the rows that a model with these masks would get."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from beating_split import FakeSplit, fake_split, predict_brightness

from harness.data.sampling import class_table
from harness.errors import DataError
from harness.evaluation.evaluator import evaluate
from harness.evaluation.prediction import label_maps
from harness.evaluation.scoring import MaskFolder, Scoring, missing_masks, score_masks

RUN = {"run": "r", "model": "m", "seed": 0}


def score(masks, split: FakeSplit, **options) -> pd.DataFrame:
    return score_masks(masks, split, **{"structures": "lv", "run_columns": RUN, "progress": False, **options})  # type: ignore[arg-type]


def predicted(split: FakeSplit) -> dict[str, np.ndarray]:
    """The label maps of the model that the evaluator's own tests use, at native size."""
    import torch

    clips = (split.clip(index) for index in range(len(split)))
    return {
        clip.case.name: label_maps(
            predict_brightness(torch.from_numpy(clip.frames)[:, None].float() / 255, None), clip.native_size
        )
        for clip in clips
    }


@pytest.mark.parametrize("all_frames", [False, True])
def test_the_rows_are_those_of_a_model_with_these_masks(all_frames: bool) -> None:
    split = fake_split(2)
    options = {"structures": "lv", "run_columns": RUN, "progress": False, "all_frames": all_frames}
    of_the_model = evaluate(predict_brightness, split, clip_length=None, first_frame="auto", **options)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(score(predicted(split), split, all_frames=all_frames), of_the_model)


def test_masks_of_the_labelled_frames_alone_are_enough() -> None:
    split = fake_split(1)
    masks = predicted(split)
    labelled = {clip.case.name: masks[clip.case.name][clip.labelled] for clip in map(split.clip, range(len(split)))}
    assert all(len(labelled[name]) < len(masks[name]) for name in masks)
    pd.testing.assert_frame_equal(score(labelled, split), score(masks, split))


def test_structures_that_are_not_asked_for_count_as_background() -> None:
    split = fake_split(1)
    clips = [split.clip(index) for index in range(len(split))]
    references = {clip.case.name: clip.native_masks() for clip in clips}
    assert any((class_table("all")[masks] > 1).any() for masks in references.values())
    rows = score(references, split)
    assert set(rows.query("metric == 'dice'")["structure"]) == {"lv"}
    assert (rows.query("metric == 'dice'")["value"] == 1.0).all()


def test_a_folder_of_arrays_or_nifti_files_is_read_case_by_case(tmp_path: Path) -> None:
    split = fake_split(1)
    masks = predicted(split)
    first, *others = masks
    np.save(tmp_path / f"{first}.npy", masks[first])
    for name in others:
        image = nibabel.Nifti1Image(masks[name].transpose(2, 1, 0), np.eye(4))
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    (tmp_path / "notes.txt").write_text("not a mask")
    folder = MaskFolder(tmp_path)
    assert set(folder) == set(masks)
    assert len(folder) == len(masks)
    pd.testing.assert_frame_equal(score(folder, split), score(masks, split))


def test_what_is_wrong_with_masks_is_one_sentence_that_names_the_case(tmp_path: Path) -> None:
    split = fake_split(1)
    masks = predicted(split)
    name = next(iter(masks))
    with pytest.raises(DataError, match="no masks of 2 of 2 cases"):
        score({}, split)
    with pytest.raises(DataError, match=rf"masks of {name} have the shape \(6, 3, 3\)"):
        score({**masks, name: np.zeros((6, 3, 3))}, split)
    with pytest.raises(DataError, match=rf"masks of {name} hold the unknown label 7"):
        score({**masks, name: np.full_like(masks[name], 7)}, split)
    with pytest.raises(DataError, match=rf"masks of {name} are of 3 frames; its clip has 6, of which 2 are labelled"):
        score({**masks, name: masks[name][:3]}, split)
    with pytest.raises(DataError, match="is no folder of masks"):
        MaskFolder(tmp_path / "nowhere")
    (tmp_path / f"{name}.npy").write_bytes(b"not an array")
    with pytest.raises(DataError, match="cannot be read as an array"):
        MaskFolder(tmp_path)[name]


@pytest.mark.parametrize("whole", [True, False])
def test_a_frame_that_was_given_need_not_be_handed_back_and_counts_as_it_was_given(whole: bool) -> None:
    split, given = fake_split(1), Scoring(first_frame="gt")
    full = {clip.case.name: clip.native.copy() for clip in split.clips}
    rest = {name: masks[1:] if whole else dict(enumerate(masks[1:], start=1)) for name, masks in full.items()}
    assert missing_masks(rest, split, first_frame="gt") == []
    pd.testing.assert_frame_equal(score(rest, split, scoring=given), score(full, split, scoring=given))
    with pytest.raises(DataError):
        score(rest, split)
