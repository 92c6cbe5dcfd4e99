"""Pre-activation residual blocks of the memory networks' decoders, and their refinement stages."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PreActivationResidual(nn.Module):
    """ReLU, 3x3, ReLU, 3x3 and a shortcut (identity, or a 3x3 convolution where the width changes).

    No normalisation: the block of STM's decoder (Oh 2019, section 3.3), kept by STCN and XMem.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        self.downsample = None if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, h, w] → [N, out_channels, h, w]."""
        # He et al., "Identity mappings in deep residual networks", ECCV 2016, without normalisation.
        residual = self.conv2(F.relu(self.conv1(F.relu(x))))
        return residual + (x if self.downsample is None else self.downsample(x))


class SkipProjection(nn.Module):
    """The image's half of STM's refinement stage: 3x3 convolution and a residual block on a skip feature.

    It depends on the image alone, so that all frames of a clip go through it in one batch and all objects
    of a frame share it.
    """

    def __init__(self, skip_channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(skip_channels, width, 3, 1, 1)
        self.residual = PreActivationResidual(width, width)

    def forward(self, skip: Tensor) -> Tensor:
        """[N, skip_channels, h, w] → [N, width, h, w]."""
        return self.residual(self.conv(skip))


def upsampled_sum(skip: Tensor, coarse: Tensor) -> Tensor:
    """Add a coarse object feature, upsampled x2 (bilinear), to the skip of its image.

    Args:
        skip: [B, C, 2h, 2w], one per image.
        coarse: [B * K, C, h, w], K objects of each image side by side.

    Returns:
        [B * K, C, 2h, 2w].
    """
    fine = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return fine + per_object(skip, fine.shape[0] // skip.shape[0])


def per_object(x: Tensor, count: int) -> Tensor:
    """Repeat every item of a batch for ``count`` objects: [B, ...] → [B * count, ...], without a copy for one."""
    # Objects of one image side by side: [b0k0, b0k1, b1k0, ...], the order of ``flatten(0, 1)``.
    return x if count == 1 else x.repeat_interleave(count, 0)
