"""From a prepared clip to predicted label maps: what the model sees, and what of its output is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from harness.clip import structure_names
from harness.data.prepared import PreparedClip
from harness.data.sampling import class_table, headline_frames, lost_frames, resample_indices
from harness.errors import BenchError, DataError
from harness.evaluation.casework import CaseWork
from harness.vocabulary import FirstFrame

Predict = Callable[[Tensor, Tensor | None], Tensor]
"""frames float [T, 1, S, S] in [0, 1] and the class ids [S, S] of frame 0 or None → logits [T, K+1, S, S]."""

Transform = Callable[[Tensor, PreparedClip], Tensor]
"""frames float [T, 1, S, S] in [0, 1] and the clip they come from → frames of the same shape, as the model shall see them."""

Resolution = Literal["native", "model"]


def predict_clip(
    predict: Predict,
    clip: PreparedClip,
    *,
    structures: str,
    clip_length: int | None,
    first_frame: FirstFrame,
    resolution: Resolution = "native",
    all_frames: bool = False,
    transform: Transform | None = None,
    **measuring: Any,
) -> CaseWork:
    """Predict one clip and keep what is measured: ED and ES (or all labelled frames where a clip names neither), or all frames.

    ``transform`` changes the frames that the model sees, never the masks that it is measured with.

    Raises:
        DataError: a labelled frame is lost when the clip is resampled to ``clip_length``.
        BenchError: the logits are not finite.
        ValueError: ``predict`` returns another shape.
    """
    chosen = resample_indices(len(clip.frames), clip_length)
    _check_labelled(clip, chosen)
    table = class_table(structures, clip.labels)
    frames = torch.from_numpy(np.ascontiguousarray(clip.frames[chosen])).unsqueeze(1).to(torch.float32).div_(255)
    if transform is not None:
        frames = transform(frames, clip)
    first = torch.from_numpy(table[clip.masks[chosen[0]]].astype(np.int64)) if first_frame == "gt" else None
    logits = predict(frames, first)
    _check_logits(logits, frames, classes=1 + len(structure_names(structures)), name=clip.case.name)
    kept, positions = kept_frames(clip, chosen, all_frames)
    size = clip.native_size if resolution == "native" else (frames.shape[-2], frames.shape[-1])
    stored = clip.native_masks() if resolution == "native" else clip.masks
    phases = tuple(phase_of(clip, int(frame)) for frame in kept)
    scored = np.array([phase != "" for phase in phases], dtype=bool)
    if first_frame == "gt":
        scored &= kept != chosen[0]
    return CaseWork(
        classes=structure_names(structures),
        frames=kept,
        phases=phases,
        scored=scored,
        predicted=label_maps(logits[torch.from_numpy(positions).to(logits.device)], size),
        reference=table[stored[kept]],
        spacing_mm=spacing_at(clip, size),
        ed=clip.ed,
        es=clip.es,
        temporal=all_frames and len(kept) > 2,
        frame_rate_hz=clip.frame_rate_hz,
        **measuring,
    )


def label_maps(logits: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Class ids [N, H, W] of logits [N, K+1, h, w]: resized bilinearly to ``size``, then the arg-max.

    Frames are resized one by one, so that memory does not grow with the clip.
    """
    resized = (F.interpolate(frame[None].float(), size, mode="bilinear", align_corners=False)[0] for frame in logits)
    return torch.stack([_first_largest(frame) for frame in resized]).cpu().numpy()


def _first_largest(logits: Tensor) -> Tensor:
    """uint8 [H, W]: arg-max over the first dimension of [K+1, H, W], ties to the smaller id; quicker than argmax."""
    best, labels = logits[0], torch.zeros(logits.shape[1:], dtype=torch.uint8, device=logits.device)
    for class_id in range(1, len(logits)):
        # Strictly larger: ties go to the smaller id, as argmax has it.
        larger = logits[class_id] > best
        labels.masked_fill_(larger, class_id)
        best = torch.maximum(best, logits[class_id])
    return labels


def kept_frames(
    clip: PreparedClip, chosen: NDArray[np.int64], all_frames: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source frames to measure, each once, and where they lie in the clip that the model saw."""
    # A short clip repeats frames; each is measured once.
    frames, positions = np.unique(chosen, return_index=True)
    if all_frames:
        return frames, positions
    # ED and ES are kept even where no person drew them: volumes need both.
    named = headline_frames(clip.labelled, clip.ed, clip.es) | {f for f in (clip.ed, clip.es) if f is not None}
    wanted = np.isin(frames, sorted(named))
    return frames[wanted], positions[wanted]


def phase_of(clip: PreparedClip, frame: int) -> str:
    """``ED``, ``ES`` or ``labelled`` where a person drew the mask, ``interp`` where it was interpolated, else empty."""
    if clip.labelled[frame]:
        return clip.phase(frame) or "labelled"
    return "interp" if clip.interpolated[frame] else ""


def spacing_at(clip: PreparedClip, size: tuple[int, int]) -> tuple[float, float] | None:
    """(row, column) spacing in mm of the clip's image resized to ``size`` (H, W), None where none is stated."""
    if clip.spacing_mm is None:
        return None
    (height, width), (row, column) = clip.native_size, clip.spacing_mm
    # Per axis: a clip squeezed into a square has two spacings.
    return row * height / size[0], column * width / size[1]


def _check_labelled(clip: PreparedClip, chosen: NDArray[np.int64]) -> None:
    # A labelled frame that resampling skips would silently leave the mean.
    if lost := lost_frames(clip.labelled, clip.ed, clip.es, chosen):
        raise DataError(
            f"The labelled frame {lost[0]} of {clip.case.name} ({len(clip.frames)} frames) is not among the "
            f"{len(chosen)} frames that the model sees; choose a longer clip."
        )


def _check_logits(logits: Tensor, frames: Tensor, *, classes: int, name: str) -> None:
    expected = (frames.shape[0], classes, *frames.shape[-2:])
    if tuple(logits.shape) != expected:
        raise ValueError(
            f"predict must return logits {expected} for frames {tuple(frames.shape)}, got {tuple(logits.shape)}"
        )
    # NaN never wins a comparison: the mask would come out as background and score as a miss.
    if not bool(torch.isfinite(logits).all()):
        raise BenchError(f"The model's output for {name} is not finite; the checkpoint or the precision is at fault.")
