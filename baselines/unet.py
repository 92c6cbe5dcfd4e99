"""U-Net as it is most often meant: batch norm, padded convolutions, transposed-convolution upsampling.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015. The
original has unpadded convolutions and no normalisation; this variant is the one that current papers train
(31,036,481 parameters at one input channel and one output channel). Other variants have files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from baselines.per_frame import FrameNetworkSegmenter, GreyLevels
from harness.registry import MODELS


class DoubleConv(nn.Sequential):
    """Two bias-free 3x3 convolutions, each followed by batch norm and ReLU."""

    def __init__(self, inplanes: int, planes: int) -> None:
        super().__init__(
            # No bias: the norm that follows subtracts it again. Padded, unlike in 2015, to keep the size.
            nn.Conv2d(inplanes, planes, 3, padding=1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            nn.Conv2d(planes, planes, 3, padding=1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """Double the resolution with a 2x2 transposed convolution, concatenate the skip, convolve twice."""

    def __init__(self, inplanes: int, planes: int) -> None:
        super().__init__()
        # The paper's "up-convolution"; bilinear forms halve differently and have other parameter counts.
        self.up = nn.ConvTranspose2d(inplanes, planes, 2, 2)
        self.conv = DoubleConv(2 * planes, planes)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """x [N, 2C, h, w] and skip [N, C, 2h, 2w] → [N, C, 2h, 2w]."""
        # Skip first: the order of the widely used implementation whose 31,036,481 parameters this one has.
        return self.conv(torch.cat([skip, self.up(x)], 1))


class UNetCore(nn.Module):
    """The network alone: [N, in_channels, H, W] → [N, out_channels, H, W] (no normalisation of grey levels).

    Args:
        in_channels, out_channels: channels of image and logits.
        widths: channels per level, each twice the one before; ``len(widths) - 1`` halvings of the resolution.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"widths must name at least two levels, got {tuple(widths)}")
        self.inc = DoubleConv(in_channels, widths[0])
        self.downs = nn.ModuleList(DoubleConv(a, b) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(Up(a, b) for a, b in pairwise(reversed(widths)))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] with H, W multiples of the stride → logits [N, out_channels, H, W]."""
        x = self.inc(x)
        skips = []
        for down in self.downs:
            # Before pooling: the skip carries the resolution that the next level loses.
            skips.append(x)
            x = down(self.pool(x))
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)


@MODELS.register_module()
class UNet(FrameNetworkSegmenter):
    """U-Net on every frame alone.

    Args:
        num_structures: K; the head has K + 1 outputs.
        in_channels: channels of a frame.
        widths: channels per level; the reference is 64, 128, 256, 512, 1024.
        grey_levels: what the network sees, ``signed`` [-1, 1] or ``unit`` [0, 1] (``FrameNetworkSegmenter``).
    """

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        grey_levels: GreyLevels = "signed",
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        self.grey_levels = grey_levels
        self.core = UNetCore(in_channels, num_structures + 1, widths)
        # Frames are padded to this; a level of odd size would not come back to its skip's size.
        self.stride = 2 ** (len(widths) - 1)

    def checkpointed_modules(self) -> list[nn.Module]:
        """Every level: what activation checkpointing computes again in the backward pass."""
        return [self.core.inc, *self.core.downs, *self.core.ups]

    def network(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [-1, 1]."""
        return self.core(images)
