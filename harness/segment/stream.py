"""The stream of label maps: frame in, model step, label map out; nothing of the past is kept but the model's memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from harness.clip import LABELS
from harness.data.media.frames import Frame, Region
from harness.data.resample import resize_frames
from harness.errors import BenchError, DataError
from harness.evaluation.prediction import label_maps
from harness.segment.trained import Trained


@dataclass(frozen=True, slots=True)
class Segmented:
    """A frame and its label ids, uint8 [H, W] both, and ``picture``, what the model saw of it, uint8 [S, S]."""

    frame: Frame
    labels: Frame
    picture: Frame


def label_stream(
    trained: Trained, frames: Iterable[Frame], *, region: Region | None, device: torch.device
) -> Iterator[Segmented]:
    """Every frame with its label ids, one at a time, in order.

    The part inside ``region`` (default: all of the frame) is resized to the model's size as a data set is prepared,
    segmented with the streaming calls ``begin`` and ``step``, and its logits are resized back before the arg-max.
    Outside the region the label is 0. Ids are those of ``LABELS``.

    Raises:
        DataError: the region does not fit, or the frames change their size.
        BenchError: the model's output is not finite.
    """
    model = trained.model.to(device).eval()
    # Class k of a run is not label k: a run may segment the LV and the atrium alone.
    table = np.array([0, *(LABELS[name] for name in trained.structures)], dtype=np.uint8)
    state, size = None, None
    for frame in frames:
        region, size = _checked(frame, region, size)
        part = region.cut(frame)
        with torch.inference_mode():
            picture = resize_frames(part[None], trained.image_size)[0]
            image = torch.from_numpy(picture)[None, None].to(torch.float32).div_(255).to(device)
            # begin() takes the first frame itself: models with memory need its size.
            state = model.begin(image) if state is None else state  # type: ignore[operator]
            logits, state = _step(model, image, state)
            classes = label_maps(logits, (part.shape[0], part.shape[1]))[0]
        # Outside the region nothing was looked at, which is background and not unknown.
        labels = np.zeros_like(frame)
        region.cut(labels)[...] = table[classes]
        yield Segmented(frame, labels, picture)


def _checked(frame: Frame, region: Region | None, size: tuple[int, int] | None) -> tuple[Region, tuple[int, int]]:
    found = (frame.shape[0], frame.shape[1])
    if size is not None and found != size:
        raise DataError(f"The frames change their size from {size} to {found} (H, W); cut the clip there.")
    region = region or Region(x=0, y=0, width=found[1], height=found[0])
    if size is None:
        region.check(found)
    return region, found


def _step(model: nn.Module, image: Tensor, state: object) -> tuple[Tensor, object]:
    logits, state = model.step(image, state)  # type: ignore[operator]
    # A sum is infinite or NaN wherever a summand is, and costs a fifth; only then is it asked which.
    if not math.isfinite(float(logits.sum())) and not bool(torch.isfinite(logits).all()):
        raise BenchError("The model's output is not finite; the checkpoint is at fault, choose another run.")
    return logits.float(), state
