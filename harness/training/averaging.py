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
        # A constant decay of 0.999 would keep a third of the random start after 1,000 steps; this warm-up is
        # TensorFlow's.
        # The average's own count lives on the CPU; ``updates`` is its copy on the device, and reading that would make the
        # CPU wait for the GPU in every step.
        n = int(average.n_averaged)
        # One call over all tensors: a loop over parameters costs more than the step itself for small models.
        torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + n) / (10 + n)))

    # use_buffers=False copies batch-norm statistics: they are running averages already, averaging twice lags behind.
    average = AveragedModel(model, multi_avg_fn=torch.no_grad()(update), use_buffers=False)
    return average
