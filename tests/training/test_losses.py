"""Losses equal plain loops over frames and pixels, and look at labelled frames only."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from harness.modeling import AuxiliaryLogits, TrainingOutput
from harness.training.losses import clip_losses, mask_losses, one_hot, soft_dice_loss
from harness.training.points import sample_points, uncertainty
from harness.training.recipe import LossSpec, PointSpec


def naive(logits: Tensor, masks: Tensor) -> tuple[float, float]:
    """Cross-entropy and soft Dice of [N, C, H, W] logits and [N, H, W] labels by loops in float64."""
    ce, dice = [], []
    for frame, mask in zip(logits.double(), masks, strict=True):
        p = torch.exp(frame) / torch.exp(frame).sum(0)
        for y in range(mask.shape[0]):
            for x in range(mask.shape[1]):
                ce.append(-math.log(p[int(mask[y, x]), y, x]))
        for label in range(1, len(p)):
            g = (mask == label).double()
            dice.append(1 - float((2 * (p[label] * g).sum() + 1) / (p[label].sum() + g.sum() + 1)))
    return sum(ce) / len(ce), sum(dice) / len(dice)


@pytest.fixture
def clip() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 4, 6, 5, generator=generator), torch.randint(0, 4, (2, 3, 6, 5), generator=generator)


def test_losses_equal_a_loop_over_the_labelled_frames(clip: tuple[Tensor, Tensor]) -> None:
    logits, masks = clip
    labelled = torch.tensor([0, 2, 4])
    losses = clip_losses(TrainingOutput(logits=logits), masks, labelled, LossSpec(ce=0.3, dice=2.0))
    ce, dice = naive(logits.flatten(0, 1)[labelled], masks.flatten(0, 1)[labelled])
    assert float(losses["ce"]) == pytest.approx(ce, rel=1e-5)
    assert float(losses["dice"]) == pytest.approx(dice, rel=1e-5)
    assert float(losses["loss"]) == pytest.approx(0.3 * ce + 2 * dice, rel=1e-5)


def test_unlabelled_frames_get_no_gradient_and_their_masks_no_say(clip: tuple[Tensor, Tensor]) -> None:
    logits, masks = clip[0].requires_grad_(), clip[1].clone()
    labelled = torch.tensor([1, 5])
    loss = clip_losses(TrainingOutput(logits=logits), masks, labelled, LossSpec())["loss"]
    loss.backward()
    touched = logits.grad.flatten(0, 1).abs().sum((1, 2, 3)) > 0  # type: ignore[union-attr]
    assert touched.tolist() == [False, True, False, False, False, True]
    masks.flatten(0, 1)[0] = 3
    assert torch.equal(clip_losses(TrainingOutput(logits=logits), masks, labelled, LossSpec())["loss"], loss)


def test_auxiliary_heads_are_compared_at_their_own_resolution(clip: tuple[Tensor, Tensor]) -> None:
    masks = torch.zeros(1, 1, 4, 4, dtype=torch.long)
    masks[0, 0, :, :2] = 1
    masks[0, 0, 0, 2] = 1  # a quarter of the upper right cell
    head = torch.zeros(1, 1, 2, 2, 2)
    head[0, 0, 1] = torch.tensor([[2.0, -2.0], [2.0, -2.0]])
    auxiliary = (AuxiliaryLogits(name="side", logits=head, weight=0.5),)
    plain = clip_losses(TrainingOutput(logits=torch.zeros(1, 1, 2, 4, 4)), masks, torch.tensor([0]), LossSpec())
    both = clip_losses(
        TrainingOutput(logits=torch.zeros(1, 1, 2, 4, 4), auxiliary=auxiliary), masks, torch.tensor([0]), LossSpec()
    )
    yes, no = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    ce = (yes + yes + yes + (0.25 * no + 0.75 * yes)) / 4
    p = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))]
    dice = 1 - (2 * (2 * p[0] + 0.25 * p[1]) + 1) / (2 * p[0] + 2 * p[1] + 2.25 + 1)
    assert float(both["aux_side"]) == pytest.approx(ce + dice, rel=1e-5)
    assert float(both["loss"] - plain["loss"]) == pytest.approx(0.5 * (ce + dice), rel=1e-4)


def test_soft_dice_of_a_perfect_prediction_and_of_an_absent_structure_is_zero() -> None:
    masks = torch.zeros(1, 4, 4, dtype=torch.long)
    assert float(soft_dice_loss(one_hot(masks, 2).flatten(2), one_hot(masks, 2).flatten(2))) == 0
    masks[0, 1] = 1
    assert float(soft_dice_loss(one_hot(masks, 2).flatten(2), one_hot(masks, 2).flatten(2))) == 0


def test_half_precision_logits_are_compared_in_float32(clip: tuple[Tensor, Tensor]) -> None:
    logits, targets = clip[0].flatten(0, 1).flatten(2), one_hot(clip[1].flatten(0, 1), 4).flatten(2)
    ce, dice = mask_losses(logits.bfloat16(), targets, LossSpec())
    assert ce.dtype == dice.dtype == torch.float32


def test_sampled_points_estimate_the_dense_loss_when_none_is_preferred() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, 2, 4096, generator=generator)
    targets = one_hot(torch.randint(0, 2, (4, 64, 64), generator=generator), 2).flatten(2)
    torch.manual_seed(0)
    sampled, _ = mask_losses(logits, targets, LossSpec(points=PointSpec(count=3000, oversample=1.0, importance=0.0)))
    dense, _ = mask_losses(logits, targets, LossSpec())
    assert float(sampled) == pytest.approx(float(dense), rel=0.03)


def test_sampled_points_prefer_the_undecided_pixels() -> None:
    logits = torch.stack([torch.zeros(1, 1000), torch.linspace(-5, 5, 1000).unsqueeze(0)], 1)
    torch.manual_seed(0)
    points = sample_points(logits, PointSpec(count=200, oversample=3.0, importance=0.75))
    assert points.shape == (1, 200)
    margin = -uncertainty(logits)[0]
    hard, rest = margin[points[0, :150]], margin[points[0, 150:]]
    assert float(hard.max()) < 2.0  # the quarter of 600 drawn pixels with the smallest margin lies within |x| < 1.25
    assert float(rest.max()) > 4.0


def test_sampled_points_are_decided_by_the_seed_and_carry_gradients() -> None:
    logits, targets = torch.randn(1, 2, 900, requires_grad=True), torch.rand(1, 2, 900)
    spec = LossSpec(points=PointSpec(count=100))
    values = []
    for _ in range(2):
        torch.manual_seed(5)
        values.append(mask_losses(logits, targets, spec)[0])
    assert torch.equal(*values)
    values[0].backward()
    assert 0 < int((logits.grad.abs().sum(1) > 0).sum()) <= 100  # type: ignore[union-attr]
