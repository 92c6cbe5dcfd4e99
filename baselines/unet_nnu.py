"""The plain 2-D network shape that nnU-Net plans for 256-px images, with deep supervision.

Isensee et al., Nature Methods 2021: strided convolutions instead of pooling, instance norm, leaky ReLU,
transposed convolutions, and a head on every decoder level. Only the network: none of nnU-Net's planning.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from baselines.per_frame import FrameNetworkSegmenter
from harness.modeling import AuxiliaryLogits, TrainingOutput
from harness.registry import MODELS

WIDTHS = (32, 64, 128, 256, 512, 512, 512)


class ConvPair(nn.Sequential):
    """Two 3x3 convolutions with instance norm and leaky ReLU 0.01; the first carries the stride."""

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inplanes, planes, 3, stride, 1),
            nn.InstanceNorm2d(planes, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
            nn.Conv2d(planes, planes, 3, 1, 1),
            nn.InstanceNorm2d(planes, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
        )


class UpStage(nn.Module):
    """2x2 transposed convolution, skip concatenation, two convolutions."""

    def __init__(self, inplanes: int, planes: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inplanes, planes, 2, 2)
        self.conv = ConvPair(2 * planes, planes)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """x [N, inplanes, h, w] and skip [N, planes, 2h, 2w] → [N, planes, 2h, 2w]."""
        return self.conv(torch.cat([self.up(x), skip], 1))


class UNetNnUCore(nn.Module):
    """The network alone: [N, in_channels, H, W] → [N, out_channels, H, W]; every decoder level has a 1x1 head."""

    def __init__(self, in_channels: int, out_channels: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"widths must name at least two stages, got {tuple(widths)}")
        # The stride sits in the first convolution of a stage instead of a pooling layer (Isensee 2021).
        steps = enumerate(pairwise((in_channels, *widths)))
        self.stages = nn.ModuleList(ConvPair(a, b, stride=2 if i else 1) for i, (a, b) in steps)
        self.ups = nn.ModuleList(UpStage(a, b) for a, b in pairwise(reversed(widths)))
        self.heads = nn.ModuleList(nn.Conv2d(width, out_channels, 1) for width in reversed(widths[:-1]))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                # nnU-Net's own start, with the slope of its leaky ReLU.
                nn.init.kaiming_normal_(module.weight, a=0.01)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] → logits of the full resolution [N, out_channels, H, W]."""
        return self.heads[-1](self.features(x)[-1])

    def all_logits(self, x: Tensor) -> list[Tensor]:
        """Logits of every decoder level, full resolution first: [N, out_channels, H/2^i, W/2^i]."""
        pairs = zip(self.heads, self.features(x), strict=True)
        # Deep supervision: every level has a head, full resolution first, because that one is the answer.
        return [head(features) for head, features in pairs][::-1]

    def features(self, x: Tensor) -> list[Tensor]:
        """Features of every decoder level, lowest resolution first.

        Raises:
            ValueError: a frame so small that the lowest stage is one pixel, where instance norm is undefined.
        """
        smallest = 2 ** (len(self.stages) - 1)
        # The variance of one value is zero, which PyTorch refuses in training with a sentence that names no cure.
        if max(x.shape[-2:]) <= smallest:
            raise ValueError(f"{len(self.stages)} stages need frames of more than {smallest} px, got {tuple(x.shape)}")
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        x = skips.pop()
        features = []
        for up in self.ups:
            x = up(x, skips.pop())
            features.append(x)
        return features


@MODELS.register_module()
class UNetNnU(FrameNetworkSegmenter):
    """nnU-Net's plain 2-D network on every frame alone.

    In training the heads of the lower decoder levels come back as auxiliary logits: the head i levels below
    full resolution has weight 1/2^i.

    Args:
        widths: channels per stage; the resolution is halved between stages. The reference has seven.
    """

    def __init__(self, *, num_structures: int = 1, in_channels: int = 1, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        self.core = UNetNnUCore(in_channels, num_structures + 1, widths)
        self.stride = 2 ** (len(widths) - 1)

    def checkpointed_modules(self) -> list[nn.Module]:
        """Every level: what activation checkpointing computes again in the backward pass."""
        return [*self.core.stages, *self.core.ups]

    def network(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [-1, 1]."""
        return self.core(images)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        levels = self.core.all_logits((frames.flatten(0, 1) - 0.5) / 0.5)
        full, *lower = [logits.unflatten(0, frames.shape[:2]) for logits in levels]
        auxiliary = tuple(
            # Weights 1/2^i as in nnU-Net, there normalised to one; the recipe's loss adds them to the main one.
            AuxiliaryLogits(name=f"level_{i}", logits=logits, weight=0.5**i)
            for i, logits in enumerate(lower, 1)
        )
        return TrainingOutput(logits=full, auxiliary=auxiliary)
