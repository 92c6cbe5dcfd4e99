"""Key-pixel feature fusion (KPFF, Eq. 6 of the GDKVM paper) and the fusion of the memory's readout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.blocks import FeatureFuser


class KeyPixelFusion(nn.Module):
    """KPFF as published: one spatial gate mixes the globally informed key with a path from the pixel feature.

    k' = k + average(k); g = σ(1x1(k')); output = g·k' + (1 − g)·3x3(relu(1x1(P))). The paper's Eq. 6 writes a gate
    per channel; the published code, followed here, has one for all channels.
    """

    def __init__(self, pixel_width: int, key_width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(pixel_width, pixel_width, 1)
        self.project = nn.Conv2d(pixel_width, key_width, 3, padding=1)
        self.gate = nn.Conv2d(key_width, 1, 1)

    def forward(self, key: Tensor, pixel: Tensor) -> Tensor:
        """Key [N, Ck, h, w] and pixel feature [N, C, h, w] → fused key [N, Ck, h, w], before the softmax."""
        # The published path from the pixel feature has a ReLU between its two convolutions; the key projector has none.
        path = self.project(F.relu(self.reduce(pixel)))
        # F_K + expand(GAP(F_K)) of Eq. 6: every position also knows the average key of the image.
        informed = key + key.mean((-2, -1), keepdim=True)
        # lerp(a, b, g) = g·b + (1 − g)·a: both products and the sum in one pass over memory.
        return torch.lerp(path, informed, torch.sigmoid(self.gate(informed)))


class ReadoutFusion(nn.Module):
    """Join the memory's readout with the sensory memory, the last masks and the pixel feature."""

    def __init__(self, pixel_width: int, sensory_width: int, width: int) -> None:
        super().__init__()
        # + 2: the object's mask and the sum of the others', so that objects know of each other.
        self.compress = nn.Conv2d(sensory_width + 2, width, 1)
        self.fuser = FeatureFuser(pixel_width, width, width)

    def forward(self, readout: Tensor | None, sensory: Tensor, masks: Tensor, others: Tensor, image: Tensor) -> Tensor:
        """Fuse one frame.

        Args:
            readout: [B * N, C, h, w], or None where there is no memory (a readout of zeros).
            sensory: [B * N, Cs, h, w].
            masks: [B, N, h, w], the last masks at stride 16.
            others: [B, N, h, w], for each object the sum of the others.
            image: [B, C, h, w], the image's half of the fuser (``fuser.transform_image`` of the pixel feature).

        Returns:
            [B * N, C, h, w].
        """
        pair = torch.stack([masks.flatten(0, 1), others.flatten(0, 1)], 1)
        compressed = self.compress(torch.cat([sensory, pair.to(sensory.dtype)], 1))
        # A readout of zeros and no readout are the same; without memory (lkva=False) the rest of the network stays.
        fused = compressed if readout is None else compressed + readout.to(compressed.dtype)
        return self.fuser(image, fused, masks.shape[1])
