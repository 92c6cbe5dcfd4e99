"""The U-Net of the CAMUS study ("U-Net 1" of Leclerc et al., IEEE TMI 2019): light, five halvings, no norm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.per_frame import FrameNetworkSegmenter
from harness.registry import MODELS


def _double_conv(inplanes: int, planes: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inplanes, planes):
        layers.append(nn.Conv2d(channels, planes, 3, padding=1))
        # "U-Net 2" of the study has norms, "U-Net 1", the default here, has not.
        if norm:
            layers.append(nn.BatchNorm2d(planes))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class UNetCamusCore(nn.Module):
    """The network alone: [N, in_channels, H, W] → [N, out_channels, H, W].

    Args:
        encoder: channels of the encoder's levels; the resolution is halved after each.
        bottleneck: channels at the lowest resolution.
        decoder: channels of the decoder's levels, lowest resolution first.
        norm: batch norm after every convolution (the study's "U-Net 2" has it, "U-Net 1" has not).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        encoder: Sequence[int] = (32, 32, 64, 128, 128),
        bottleneck: int = 128,
        decoder: Sequence[int] = (128, 128, 64, 32, 16),
        norm: bool = False,
    ) -> None:
        super().__init__()
        if len(encoder) != len(decoder):
            raise ValueError(f"encoder and decoder must have as many levels, got {len(encoder)} and {len(decoder)}")
        self.encoder = nn.ModuleList(_double_conv(a, b, norm) for a, b in pairwise((in_channels, *encoder)))
        self.bottleneck = _double_conv(encoder[-1], bottleneck, norm)
        # Nearest neighbour keeps the channels, so a level sees those from below plus the skip's.
        below = (bottleneck, *decoder[:-1])
        self.decoder = nn.ModuleList(
            _double_conv(low + skip, planes, norm)
            for low, skip, planes in zip(below, reversed(encoder), decoder, strict=True)
        )
        self.head = nn.Conv2d(decoder[-1], out_channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # Without norms a signal has to pass all layers by itself; PyTorch's default start has a sixth of
                # this variance.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] with H, W multiples of the stride → logits [N, out_channels, H, W]."""
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for level in self.decoder:
            # Nearest-neighbour upsampling as in the study, no transposed convolution.
            x = level(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skips.pop()], 1))
        return self.head(x)


@MODELS.register_module()
class UNetCamus(FrameNetworkSegmenter):
    """The CAMUS study's light U-Net on every frame alone; arguments as in ``UNetCamusCore``."""

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        encoder: Sequence[int] = (32, 32, 64, 128, 128),
        bottleneck: int = 128,
        decoder: Sequence[int] = (128, 128, 64, 32, 16),
        norm: bool = False,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        self.core = UNetCamusCore(in_channels, num_structures + 1, encoder, bottleneck, decoder, norm)
        self.stride = 2 ** len(encoder)

    def checkpointed_modules(self) -> list[nn.Module]:
        """Every level: what activation checkpointing computes again in the backward pass."""
        return [*self.core.encoder, self.core.bottleneck, *self.core.decoder]

    def network(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [-1, 1]."""
        return self.core(images)
