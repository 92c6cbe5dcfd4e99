"""Sensory memory: a GRU-like feature map per object, always float32 (Cheng 2022, XMem; used by GDKVM)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def recurrent_update(hidden: Tensor, transformed: Tensor) -> Tensor:
    """h ← f·h·(1 − u) + u·n from the three maps (forget, update, new) of ``transformed`` [N, 3C, h, w]."""
    # Float32 whatever the autocast: the state lives as long as the clip, and rounding adds up.
    forget, update, new = transformed.float().chunk(3, 1)
    update = torch.sigmoid(update)
    # XMem's form of a GRU: forget and update are gates of their own, so a state can be cleared without being rewritten.
    return torch.sigmoid(forget) * hidden * (1 - update) + update * torch.tanh(new)


class DeepUpdate(nn.Module):
    """Update of the sensory memory from the encoded value of a frame."""

    def __init__(self, value_width: int, sensory_width: int) -> None:
        super().__init__()
        self.transform = nn.Conv2d(value_width + sensory_width, 3 * sensory_width, 3, padding=1)

    def forward(self, value: Tensor, hidden: Tensor) -> Tensor:
        """Value [N, Cv, h, w] and hidden [N, Cs, h, w] → the new hidden, float32."""
        return recurrent_update(hidden, self.transform(torch.cat([value, hidden.to(value.dtype)], 1)))


class MultiScaleUpdate(nn.Module):
    """Update of the sensory memory from decoder features at strides 16, 8 and 4, area-averaged to stride 16."""

    def __init__(self, widths: tuple[int, int, int], sensory_width: int) -> None:
        super().__init__()
        self.from16 = nn.Conv2d(widths[0], sensory_width, 1)
        self.from8 = nn.Conv2d(widths[1], sensory_width, 1)
        self.from4 = nn.Conv2d(widths[2], sensory_width, 1)
        self.transform = nn.Conv2d(2 * sensory_width, 3 * sensory_width, 3, padding=1)

    def forward(self, p16: Tensor, p8: Tensor, p4: Tensor, hidden: Tensor) -> Tensor:
        """Features at strides 16, 8, 4 (channels as in ``widths``) and the hidden → the new hidden, float32."""
        # Pooling and 1x1 convolutions commute; pooling the finer maps first is cheaper.
        summary = self.from16(p16) + self.from8(F.avg_pool2d(p8, 2)) + self.from4(F.avg_pool2d(p4, 4))
        return recurrent_update(hidden, self.transform(torch.cat([summary, hidden.to(summary.dtype)], 1)))
