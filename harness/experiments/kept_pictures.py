"""Store pictures of a run's best, median and worst test case right after its test, while the model is in memory."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.data import PreparedCache, PreparedClip, PreparedSplit
from harness.data.sampling import class_table
from harness.evaluation.casework import CaseWork
from harness.evaluation.prediction import predict_clip
from harness.results.case_scores import CaseScore, case_scores, notable_cases
from harness.results.pictures import COMMON, CasePicture, save_pictures
from harness.store.runs import Run, RunSpec
from harness.training import Recipe


def keep_pictures(run: Run, predict: Callable[[Tensor, Tensor | None], Tensor], cache: PreparedCache) -> None:
    """Predict the three notable test cases of a run once more and store their pictures in its folder."""
    spec = run.spec
    length = Recipe.from_dict(spec.recipe).frames_at_test

    def again(clip: PreparedClip) -> CaseWork:
        return predict_clip(
            predict,
            clip,
            structures=spec.protocol["structures"],
            clip_length=length,
            first_frame=spec.protocol["first_frame"],
            all_frames=True,
            key={},
            functions={},
        )

    keep_case_pictures(run, cache, again)


def keep_case_pictures(run: Run, cache: PreparedCache, masks: Callable[[PreparedClip], CaseWork]) -> None:
    """Store pictures of a run's three notable test cases and of one that all models share; ``masks`` gives those of a clip beside its references."""
    split = cache.split("test")
    pictures = []
    rows = run.rows()
    common = split.cases[len(split) // 2]  # the same case for every model, whatever it made of it
    same = [s for s in case_scores(rows) if (s.patient, s.view) == (common.patient, common.view)]
    for role, score in [*notable_cases(rows).items(), *((COMMON, score) for score in same)]:
        # By patient and view: rows may come from a test that was cut to fewer clips, whose numbers are others.
        clip = _find(split, score)
        pictures.append(_picture(run.spec, clip, masks(clip), score, role))
    save_pictures(run.path, pictures)


def _picture(spec: RunSpec, clip: PreparedClip, work: CaseWork, score: CaseScore, role: str) -> CasePicture:
    """The frames of one case at native size, beside the reference."""
    shown = work.frames
    return CasePicture(
        label=spec.model["label"],
        patient=score.patient,
        view=score.view,
        dice=score.dice,
        frames=_native(clip, shown),
        reference=class_table(spec.protocol["structures"], clip.labels)[clip.native_masks()[shown]],
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
    # Frames were squeezed into a square for the model; here the heart has its shape again.
    enlarged = [cv2.resize(clip.frames[i], (width, height), interpolation=cv2.INTER_LINEAR) for i in frames]
    return np.stack(enlarged)
