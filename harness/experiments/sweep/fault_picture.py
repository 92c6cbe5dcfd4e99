"""What a run makes of one case under a fault that passes: kept while the model is at hand, shown side by side on the page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.data import PreparedClip
from harness.evaluation.overlap import overlap_metrics
from harness.evaluation.prediction import Predict, Transform, predict_clip
from harness.experiments.execute import scored_clip_length
from harness.perturbations.window import Window
from harness.results.pictures import FAULT, CasePicture, save_pictures
from harness.store.runs import RunSpec

PREFERRED = "blank_frames"
"""The fault that is shown where it was swept: nothing but a memory can help on black frames."""


def shown_fault(names: list[str]) -> str | None:
    """The fault whose picture is kept; None where none is swept."""
    return PREFERRED if PREFERRED in names else next(iter(names), None)


def keep_fault_picture(
    folder: Path, spec: RunSpec, clip: PreparedClip, predict: Predict, transform: Transform, fault: str, window: Window
) -> None:
    """Predict a clip under a fault and store frames as the model saw them, reference and masks in ``folder``.

    Args:
        transform: the fault, applied to the clip's frames.
        fault, window: its name, and the frames that it acts in.
    """
    seen: list[Tensor] = []

    def watched(frames: Tensor, of: PreparedClip) -> Tensor:
        seen.append(transform(frames, of))
        return seen[-1]

    work = predict_clip(
        predict,
        clip,
        structures=spec.protocol["structures"],
        clip_length=scored_clip_length(spec),
        first_frame=spec.protocol["first_frame"],
        all_frames=True,
        transform=watched,
        key={},
        functions=(),
    )
    pairs = zip(work.predicted == 1, work.reference == 1, strict=True)
    picture = CasePicture(
        label=spec.model["label"],
        patient=clip.case.patient,
        view=clip.case.view,
        dice=100 * float(np.nanmean([overlap_metrics(mine, truth)["dice"] for mine, truth in pairs])),
        frames=_native(seen[0], clip.native_size),
        reference=work.reference,
        predicted=work.predicted,
        frame=window.start,
        role=FAULT,
        spacing_mm=clip.spacing_mm,
        fault=fault,
        window=(window.start, window.stop),
    )
    save_pictures(folder, [picture])


def _native(frames: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames [T, 1, S, S] in [0, 1] at native size, in the patient's proportions."""
    grey = (frames[:, 0].float() * 255).round().byte().cpu().numpy()
    return np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_LINEAR) for frame in grey])
