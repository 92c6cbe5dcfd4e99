"""In which type a network computes."""

from __future__ import annotations

import torch
from torch import nn


def weight_dtype(module: nn.Module) -> torch.dtype:
    """Type of a module's weights: that of its first parameter, or of its first buffer where it has no parameters.

    Example:
        >>> weight_dtype(nn.Linear(1, 1).bfloat16())
        torch.bfloat16
    """
    # Networks that an engine has packed hold all their weights as buffers.
    parameter = next(module.parameters(), None)
    return next(module.buffers()).dtype if parameter is None else parameter.dtype
