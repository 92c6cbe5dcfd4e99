"""Does the model say the same of a picture that is mirrored, or moved a little?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.evaluation.overlap import overlap_metrics
from harness.segment.trust.observer import KeptFrame

SHIFT = 1 / 16
"""Share of the side by which a picture is moved down and to the right: more than a heart moves between two frames."""
ASKED = 2
"""Frames of a clip that are asked again, each mirrored and moved: every one costs two of the model's steps."""

Picture = NDArray[np.uint8]


def disagreement(model: Any, kept: Sequence[KeptFrame], lv_class: int, device: torch.device) -> dict[str, float]:
    """1 - Dice of the clip's LV and that of changed frames, mean over frames: ``mirrored`` and ``moved``.

    The changed frames are a stream of their own, so that a model with memory meets nothing of the clip. NaN where no kept frame
    shows an LV, before or after.
    """
    chosen = [kept[index] for index in _spread(len(kept), ASKED)]
    return {
        name: _mean([1 - dice for dice in _dice(model, chosen, change, lv_class, device)])
        for name, change in {"mirrored": _mirror, "moved": _move}.items()
    }


def _dice(
    model: Any,
    frames: Sequence[KeptFrame],
    change: Callable[[NDArray[Any]], NDArray[Any]],
    lv_class: int,
    device: torch.device,
) -> list[float]:
    state, found = None, []
    with torch.inference_mode():
        for frame in frames:
            image = _tensor(change(frame.picture)).to(device)
            state = model.begin(image) if state is None else state
            logits, state = model.step(image, state)
            again = (logits[0].argmax(0) == lv_class).cpu().numpy()
            found.append(overlap_metrics(change(frame.lv), again)["dice"])
    return found


def _mirror(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values[:, ::-1])


def _move(values: NDArray[Any]) -> NDArray[Any]:
    """Down and to the right; what comes in is black (of a mask: nothing), as beside a sector."""
    down, right = (round(SHIFT * side) for side in values.shape)
    moved = np.zeros_like(values)
    moved[down:, right:] = values[: values.shape[0] - down, : values.shape[1] - right]
    return moved


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(picture)[None, None].to(torch.float32).div_(255)


def _spread(count: int, wanted: int) -> list[int]:
    """Indices in the middle of equal stretches: the first frame of a clip is often the worst."""
    return sorted({min(count - 1, int((index + 0.5) * count / wanted)) for index in range(wanted)}) if count else []


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if math.isfinite(value)]
    return float(np.mean(there)) if there else math.nan
