"""The base classes pad, crop and fold time as they promise, seen on models simple enough to predict."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.modeling import AuxiliaryLogits, PerFrameSegmenter, TrainingOutput, VideoSegmenter
from harness.modeling.contract import check_padding


class Echo(PerFrameSegmenter):
    """Logits: background 0, structure = the frame itself; records the sizes that it is given."""

    def segment(self, images: Tensor) -> Tensor:
        self.seen = tuple(images.shape)
        return torch.cat([torch.zeros_like(images), images], 1)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        logits = self._clip(frames, first_mask)
        half = torch.nn.functional.avg_pool2d(logits.flatten(0, 1), 2).unflatten(0, logits.shape[:2])
        return TrainingOutput(logits=logits, auxiliary=(AuxiliaryLogits(name="half", logits=half, weight=0.5),))


class Sum(VideoSegmenter):
    """Logits: sum of all frames so far, begun with the first mask."""

    stride = 4

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Tensor:
        return torch.zeros_like(frame) if first_mask is None else first_mask[:, None].float()

    def _step(self, frame: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        total = memory + frame
        return torch.cat([-total, total], 1), total


def test_frames_are_padded_to_the_stride_with_edge_values_and_logits_cropped_back() -> None:
    model, frames = Echo(), torch.rand(2, 3, 1, 17, 30)
    logits = model(frames)
    assert model.seen == (6, 1, 32, 32)
    torch.testing.assert_close(logits[:, :, 1:], frames)
    padded = model._pad(frames)
    assert torch.equal(padded[..., 17:, :30], frames[..., 16:17, :].expand(-1, -1, -1, 15, -1))
    assert torch.equal(padded[..., :17, 30:], frames[..., 29:30].expand(-1, -1, -1, -1, 2))


def test_black_on_all_sides_is_cropped_where_it_was_put() -> None:
    """The published padding of STM, XMem, Cutie and LiVOS: the smaller half above and to the left."""
    model, frames = Echo(), torch.rand(2, 3, 1, 17, 30)
    model.padding = "zeros"
    torch.testing.assert_close(model(frames)[:, :, 1:], frames)
    padded = model._pad(frames)
    assert padded.shape[-2:] == (32, 32)
    assert torch.equal(padded[..., 7:24, 1:31], frames)
    assert padded.sum() == pytest.approx(float(frames.sum()), rel=1e-6)
    head = model.forward_train(frames[:1, :1]).auxiliary[0]
    assert head.logits.shape == (1, 1, 2, 17, 30)
    with pytest.raises(ValueError, match="padding must be one of edge, zeros, got 'zero'"):
        check_padding("zero")  # type: ignore[arg-type]


def test_frames_that_fit_are_passed_on_untouched() -> None:
    frames = torch.rand(1, 1, 1, 32, 16)
    assert Echo()._pad(frames) is frames


def test_masks_are_padded_with_background() -> None:
    mask = Echo()._pad(torch.ones(1, 15, 16, dtype=torch.int64))
    assert mask.shape == (1, 16, 16)
    assert mask.sum() == 15 * 16
    assert not mask[:, 15].any()


def test_auxiliary_logits_of_a_padded_clip_show_the_clip_and_not_its_padding() -> None:
    frames = torch.linspace(0, 1, 40).view(1, 1, 1, 1, 40).expand(1, 1, 1, 20, 40)
    head = Echo().forward_train(frames).auxiliary[0]
    assert head.logits.shape == (1, 1, 2, 20, 40)
    torch.testing.assert_close(head.logits[:, :, 1:], frames, atol=0.02, rtol=0)


def test_auxiliary_logits_of_a_clip_that_fits_keep_their_resolution() -> None:
    assert Echo().forward_train(torch.rand(1, 2, 1, 32, 48)).auxiliary[0].logits.shape == (1, 2, 2, 16, 24)


def test_a_stream_remembers_and_equals_the_clip() -> None:
    model, frames = Sum(), torch.rand(1, 4, 1, 6, 9)
    state, logits = model.begin(frames[:, 0]), []
    for frame in frames.unbind(1):
        step, state = model.step(frame, state)
        logits.append(step)
    torch.testing.assert_close(torch.stack(logits, 1), model(frames))
    torch.testing.assert_close(model(frames)[:, :, 1:], frames.cumsum(1))


def test_the_first_mask_reaches_models_that_use_one() -> None:
    model, frames = Sum(), torch.zeros(1, 2, 1, 6, 9)
    mask = torch.ones(1, 6, 9, dtype=torch.int64)
    assert (model(frames, mask)[:, :, 1] == 1).all()
    assert (model.forward_train(frames, mask).logits[:, :, 1] == 1).all()
    model.uses_first_mask = False
    assert (model(frames, mask) == 0).all()


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 0, 1, 8, 8), (1, 2, 3, 8, 8)])
def test_clips_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"frames must be \[B, T >= 1, 1, H, W\]"):
        Sum()(torch.zeros(shape))
