"""A model that is given the first mask of another one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from harness.modeling import FirstMaskSegmenter, PerFrameSegmenter, VideoSegmenter


class Bright(PerFrameSegmenter):
    """Segments what is brighter than half."""

    stride = 4

    def segment(self, images: Tensor) -> Tensor:
        return torch.cat([0.5 - images, images - 0.5], 1)


class Persistent(VideoSegmenter):
    """Says of every frame what it was given for the first one; remembers that it was asked."""

    stride = 8

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.given: list[Tensor | None] = []

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Tensor:
        self.given.append(first_mask)
        return torch.zeros_like(frame[:, 0]).long() if first_mask is None else first_mask

    def _step(self, frame: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        inside = memory.unsqueeze(1).float()
        return torch.cat([-inside, 3 * inside - 1], 1), memory


@pytest.fixture
def frames() -> Tensor:
    """[2, 3, 1, 20, 28]: a size that neither stride divides."""
    return torch.rand(2, 3, 1, 20, 28, generator=torch.Generator().manual_seed(0))


def joined() -> FirstMaskSegmenter:
    return FirstMaskSegmenter(model=Persistent(), first=Bright()).eval()


def test_frame_0_is_the_other_model_s_and_its_mask_is_what_the_rest_is_made_from(frames: Tensor) -> None:
    logits = joined()(frames)
    bright = frames[:, 0, 0] > 0.5
    assert torch.equal(logits[:, 0], Bright()(frames[:, :1])[:, 0])
    assert torch.equal(logits.argmax(2)[:, 1:], bright.long().unsqueeze(1).expand(-1, 2, -1, -1))


def test_streaming_equals_the_clip_call(frames: Tensor) -> None:
    model = joined()
    state, logits = model.begin(frames[:, 0]), []
    for frame in frames.unbind(1):
        output, state = model.step(frame, state)
        logits.append(output)
    assert torch.equal(torch.stack(logits, 1), model(frames))


def test_a_mask_from_outside_is_not_used(frames: Tensor) -> None:
    assert torch.equal(joined()(frames, torch.ones(2, 20, 28, dtype=torch.int64)), joined()(frames))


def test_it_is_not_trained_as_one(frames: Tensor) -> None:
    with pytest.raises(ValueError, match="train its parts"):
        joined().forward_train(frames)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (dict(model=Persistent(num_structures=3), first=Bright()), "must segment 3 structures as model does, got 1"),
        (dict(model=Bright(), first=Bright()), "model must take a first mask, Bright does not"),
    ],
    ids=["structures", "per frame"],
)
def test_parts_that_do_not_fit_are_refused(parts: dict[str, VideoSegmenter], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FirstMaskSegmenter(**parts)
