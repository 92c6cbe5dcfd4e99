"""Soft aggregation from the objects' logits: the function of ``soft_aggregate``, well conditioned.

In float32, 1 − σ(l) carries an error of 6e-8, which is 0.1 % of it at l = 10 and 7 % at l = 14: log-odds that are
taken from probabilities are noise where a model is sure. From logits they keep their full precision.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.modeling.aggregation import EPS

LIMIT = math.log((1 - EPS) / EPS)
"""Log-odds of 1 − 1e-7: 16.1."""


def aggregate_logits(logits: Tensor) -> Tensor:
    """Merge independent object logits into log-odds over background and objects (Oh 2019, STM, Eq. 4).

    With p = σ(logits): the background's probability is Π(1 − p) of the unlimited p, then all probabilities are limited
    to [1e-7, 1 − 1e-7], and each becomes log(p / (1 − p)). Gradients end at the limits.

    Args:
        logits: [..., K, H, W], any float type.

    Returns:
        float32 (float64 for float64) [..., K+1, H, W] in [−16.1, 16.1], class 0 = background; a softmax over
        dim -3 gives class probabilities.
    """
    objects = logits if logits.dtype == torch.float64 else logits.float()
    # First the product, then the limits, as STM, XMem and GDKVM do: two objects that are surely absent leave a background
    # of 16.1; limited before, each would take 1e-7 from it and three of them lower it to 15.0.
    log_background = F.logsigmoid(-objects).sum(-3, keepdim=True).clamp(math.log(EPS), math.log1p(-EPS))
    background = log_background - torch.log(-torch.expm1(log_background))
    return torch.cat([background, objects.clamp(-LIMIT, LIMIT)], -3)


def mask_logits(masks: Tensor) -> Tensor:
    """Given object masks [..., K, H, W] of zeros and ones as aggregated logits, as sure as the limits allow."""
    return aggregate_logits((2 * masks - 1) * LIMIT)
