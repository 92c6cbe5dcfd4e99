"""Exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Weights = tuple[Tensor, ...] | list[Tensor]


def build_average(model: nn.Module, decay: float) -> AveragedModel:
    """An average of ``model``'s parameters; buffers (batch-norm statistics) are copied.

    After n updates the effective decay is ``min(decay, (1 + n) / (10 + n))``, so that a short training is not
    dominated by its random start.
    """

    def update(averages: Weights, current: Weights, updates: Tensor | int) -> None:
        n = int(updates)
        torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + n) / (10 + n)))

    return AveragedModel(model, multi_avg_fn=torch.no_grad()(update), use_buffers=False)
