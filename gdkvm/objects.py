"""Object summaries: what each object and its surroundings look like, pooled into a few vectors (Cheng 2024, Cutie)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.blocks import sine_position_code


class ObjectSummariser(nn.Module):
    """Pool a value map into ``queries`` vectors, the first half inside the mask, the second half outside.

    Sums over pixels of σ(logit)·mask·feature are returned with their areas Σ σ(logit)·mask, so that summaries
    of several frames can be added. Everything is float32 whatever the autocast.
    """

    def __init__(self, value_width: int, width: int, queries: int) -> None:
        super().__init__()
        self.queries = queries
        self.project = nn.Linear(value_width, width)
        self.features = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.weights = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, queries))

    def forward(self, masks: Tensor, value: Tensor) -> Tensor:
        """Masks [B, N, h, w] in [0, 1] and values [B * N, Cv, h, w] → summaries [B, N, queries, width + 1]."""
        height, width = value.shape[-2:]
        # Sums over thousands of pixels and over frames: bf16 stops counting at 256.
        with torch.autocast(value.device.type, enabled=False):
            x = self.project(value.float().flatten(2).transpose(1, 2))
            x = x + sine_position_code(height, width, x.shape[-1], x.device)
            # Half of the queries look at the object, the other half at everything else, which keeps background in view.
            inside = masks.float().flatten(0, 1).flatten(1).unsqueeze(-1)
            half = self.queries // 2
            allowed = torch.cat([inside.expand(-1, -1, half), (1 - inside).expand(-1, -1, self.queries - half)], -1)
            # Sigmoid and not softmax: sums of several frames can be added before they are divided by their area.
            weights = torch.sigmoid(self.weights(x).float()) * allowed
            sums = weights.transpose(1, 2) @ self.features(x).float()
            # The area travels with the sums; who reads a summary divides (QueryTransformer.forward).
            summary = torch.cat([sums, weights.sum(1).unsqueeze(-1)], -1)
        return summary.unflatten(0, masks.shape[:2])


def stride16_masks(masks: Tensor, height: int) -> Tensor:
    """Area-average masks [B, N, H, W] to ``height`` rows (and the matching columns)."""
    # Area average, as published: a thin wall keeps its share of a stride-16 pixel, which nearest sampling would drop.
    return F.avg_pool2d(masks, masks.shape[-2] // height)
