"""From per-structure probabilities to class logits, and from label maps to per-structure masks."""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-7


def soft_aggregate(probabilities: Tensor) -> Tensor:
    """Merge independent object probabilities into logits over background and objects (Oh 2019, STM).

    The background's probability is the product of the complements. Everything is clamped to
    [1e-7, 1 - 1e-7] and turned into log-odds, in float32 whatever the input.

    Args:
        probabilities: [..., K, H, W] in [0, 1].

    Returns:
        logits [..., K+1, H, W], class 0 = background; a softmax over dim -3 gives class probabilities.
    """
    # In bfloat16 1 - 1e-7 is 1, and its log-odds are infinite.
    p = probabilities.float()
    # Oh et al. 2019, soft aggregation (section 3.4): a pixel is background where it is none of the objects.
    background = torch.prod(1 - p, dim=-3, keepdim=True)
    p = torch.cat([background, p], -3).clamp(EPS, 1 - EPS)
    return torch.log(p / (1 - p))


def object_masks(labels: Tensor, num_structures: int) -> Tensor:
    """Label map [B, H, W] with ids 0..K → float masks [B, K, H, W]."""
    ids = torch.arange(1, num_structures + 1, device=labels.device).view(1, -1, 1, 1)
    return (labels.unsqueeze(1) == ids).float()


def other_objects(masks: Tensor) -> Tensor:
    """For each object mask [B, K, H, W], the clamped sum of all others (zeros when K = 1)."""
    return (masks.sum(1, keepdim=True) - masks).clamp(0, 1)
