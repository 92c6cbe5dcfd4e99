"""Store pictures of a run's best, median and worst test case right after its test, while the model is in memory."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.data import PreparedCache, PreparedClip, PreparedSplit, resample_indices
from harness.data.sampling import class_table
from harness.evaluation.prediction import predict_clip
from harness.results.case_scores import CaseScore, notable_cases
from harness.results.pictures import CasePicture, save_pictures
from harness.store.runs import Run, RunSpec
from harness.training import Recipe


def keep_pictures(run: Run, predict: Callable[[Tensor, Tensor | None], Tensor], cache: PreparedCache) -> None:
    """Predict the three notable test cases of a run once more and store their pictures in its folder."""
    split = cache.split("test")
    notable = notable_cases(run.rows())
    save_pictures(run.path, [_picture(run.spec, predict, split, score, role) for role, score in notable.items()])


def _picture(
    spec: RunSpec,
    predict: Callable[[Tensor, Tensor | None], Tensor],
    split: PreparedSplit,
    score: CaseScore,
    role: str,
) -> CasePicture:
    """The labelled frames of one case at native size, beside the reference."""
    clip = _find(split, score)
    structures = spec.protocol["structures"]
    length = Recipe.from_dict(spec.recipe).frames_at_test
    work = predict_clip(
        predict,
        clip,
        structures=structures,
        clip_length=length,
        first_frame=spec.protocol["first_frame"],
        all_frames=True,
        key={},
        functions={},
    )
    shown = np.unique(resample_indices(len(clip), length))
    return CasePicture(
        label=spec.model["label"],
        patient=score.patient,
        view=score.view,
        dice=score.dice,
        frames=_native(clip, shown),
        reference=class_table(structures)[clip.native_masks()[shown]],
        predicted=work.predicted,
        frame=int(np.flatnonzero(shown == score.frame)[0]),
        phase=score.phase,
        role=role,
        spacing_mm=clip.spacing_mm,
    )


def _find(split: PreparedSplit, score: CaseScore) -> PreparedClip:
    wanted = (score.patient, score.view)
    return next(split.clip(i) for i, case in enumerate(split.cases) if (case.patient, case.view) == wanted)


def _native(clip: PreparedClip, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The model's frames enlarged to native size: the pixels that the model saw, in the patient's proportions."""
    height, width = clip.native_size
    enlarged = [cv2.resize(clip.frames[i], (width, height), interpolation=cv2.INTER_LINEAR) for i in frames]
    return np.stack(enlarged)
