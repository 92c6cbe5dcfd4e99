"""Cross-entropy and soft Dice on the frames that have a reference mask, for the output and its auxiliary heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.modeling import TrainingOutput
from harness.training.points import sample_points
from harness.training.recipe import LossSpec

SMOOTH = 1.0


def soft_dice_loss(probabilities: Tensor, targets: Tensor) -> Tensor:
    """One minus the soft Dice of each structure, mean over frames and structures (the background left out).

    Args:
        probabilities: [N, C, P] class probabilities.
        targets: [N, C, P] one-hot or area-averaged reference; class 0 = background.

    The smoothing term 1 in numerator and denominator makes an absent structure that is not predicted cost 0.
    """
    # The background has most of the pixels and a Dice near 1: inside the mean it would hide the structures.
    p, g = probabilities[:, 1:], targets[:, 1:]
    overlap = 2 * (p * g).sum(-1) + SMOOTH
    return (1 - overlap / (p.sum(-1) + g.sum(-1) + SMOOTH)).mean()


def mask_losses(logits: Tensor, targets: Tensor, spec: LossSpec) -> tuple[Tensor, Tensor]:
    """Cross-entropy and soft Dice of logits [N, C, P] against one-hot or soft targets [N, C, P], in float32.

    With ``spec.points`` both are taken on sampled pixels; outputs with no more pixels than that use all.
    """
    # bf16 has two to three significant digits: a log-softmax in it loses the gradient of confident pixels.
    logits = logits.float()
    # Coarse auxiliary heads have fewer pixels than points; sampling with replacement would only repeat them.
    if spec.points is not None and logits.shape[-1] > spec.points.count:
        points = sample_points(logits, spec.points).unsqueeze(1).expand(-1, logits.shape[1], -1)
        logits, targets = logits.gather(2, points), targets.gather(2, points)
    log_probabilities = F.log_softmax(logits, 1)
    # Written out, because F.cross_entropy takes no soft targets that were gathered at points.
    cross_entropy = -(targets * log_probabilities).sum(1).mean()
    return cross_entropy, soft_dice_loss(log_probabilities.exp(), targets)


def one_hot(masks: Tensor, classes: int) -> Tensor:
    """Label maps [N, H, W] with ids 0..C-1 → float [N, C, H, W]."""
    ids = torch.arange(classes, device=masks.device).view(1, -1, 1, 1)
    return (masks.unsqueeze(1) == ids).float()


def targets_at(reference: Tensor, size: tuple[int, int]) -> Tensor:
    """One-hot reference [N, C, H, W] averaged over the area of each pixel of a coarser grid ``size``."""
    # Area averaging keeps a thin wall as a fraction of a pixel; nearest neighbour would drop or double it.
    return reference if reference.shape[-2:] == size else F.interpolate(reference, size=size, mode="area")


def clip_losses(output: TrainingOutput, masks: Tensor, labelled: Tensor, spec: LossSpec) -> dict[str, Tensor]:
    """Losses of a model's output on the labelled frames only; nothing is computed on the others.

    Args:
        output: logits [B, T, C, H, W] and auxiliary heads at any resolution, each supervised at its own.
        masks: [B, T, H, W] label ids.
        labelled: int64 [M], indices of the labelled frames in the flattened B*T.
        spec: weights and point sampling.

    Returns:
        ``loss`` with its gradient, and for the log ``ce``, ``dice`` and one value per auxiliary head.
    """
    # Only labelled frames: CAMUS labels two of a dozen, and an unlabelled frame is not an empty one.
    reference = one_hot(masks.flatten(0, 1)[labelled], output.logits.shape[2])
    ce, dice = _losses(output.logits, reference, labelled, spec)
    loss = spec.ce * ce + spec.dice * dice
    report = {"ce": ce.detach(), "dice": dice.detach()}
    for head in output.auxiliary:
        head_ce, head_dice = _losses(head.logits, reference, labelled, spec)
        value = spec.ce * head_ce + spec.dice * head_dice
        loss = loss + head.weight * value
        report[f"aux_{head.name}"] = value.detach()
    return {"loss": loss, **report}


def _losses(logits: Tensor, reference: Tensor, labelled: Tensor, spec: LossSpec) -> tuple[Tensor, Tensor]:
    chosen = logits.flatten(0, 1)[labelled]
    targets = targets_at(reference, (chosen.shape[-2], chosen.shape[-1]))
    return mask_losses(chosen.flatten(2), targets.flatten(2), spec)
