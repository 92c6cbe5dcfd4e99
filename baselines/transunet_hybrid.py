"""The convolutional half of TransUNet's encoder: a ResNet v2 with weight standardisation and group norm.

Kolesnikov et al., "Big Transfer", ECCV 2020, as used by Dosovitskiy et al., ICLR 2021 (R50+ViT-B/16). Module
names follow the published weight files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ProjectionNorm = Literal["channel", "group"]


def standardise(weight: Tensor) -> Tensor:
    """Kernel [out, in, h, w] with zero mean and unit variance per output channel (eps 1e-5), in float32."""
    # The population variance (correction 0), as in Big Transfer; float32, since kernels may be bf16.
    variance, mean = torch.var_mean(weight.float(), dim=(1, 2, 3), keepdim=True, correction=0)
    return (weight.float() - mean) * torch.rsqrt(variance + 1e-5)


class StdConv2d(nn.Conv2d):
    """Bias-free convolution whose kernel is standardised at every call (Qiao et al. 2019)."""

    def __init__(self, inplanes: int, planes: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inplanes, planes, kernel, stride, kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inplanes, H, W] → [N, planes, H/stride, W/stride]."""
        # At every call: in training the stored kernel moves while the used one stays standardised.
        return self._conv_forward(x, standardise(self.weight).to(x.dtype), None)


class Unit(nn.Module):
    """Bottleneck unit: 1x1, 3x3 (carrying the stride), 1x1, each with group norm; the activation comes last.

    Args:
        inplanes, planes: channels in and out; the inner width is ``planes / 4``.
        groups: groups of the group norms on the main branch (eps 1e-6).
        projection_norm: ``channel`` normalises the projected shortcut per channel with eps 1e-5, as
            TransUNet's published code does; ``group`` treats it like the main branch, as the ViT's does.
    """

    def __init__(
        self, inplanes: int, planes: int, stride: int, *, groups: int, projection_norm: ProjectionNorm
    ) -> None:
        super().__init__()
        # Bottleneck of ResNet-50.
        inner = planes // 4
        self.conv1, self.gn1 = StdConv2d(inplanes, inner, 1), nn.GroupNorm(groups, inner, 1e-6)
        self.conv2, self.gn2 = StdConv2d(inner, inner, 3, stride), nn.GroupNorm(groups, inner, 1e-6)
        self.conv3, self.gn3 = StdConv2d(inner, planes, 1), nn.GroupNorm(groups, planes, 1e-6)
        self.conv_proj: nn.Conv2d | None = None
        if stride != 1 or inplanes != planes:
            self.conv_proj = StdConv2d(inplanes, planes, 1, stride)
            per_channel = projection_norm == "channel"
            # The published TransUNet differs here from the ViT it loads; by default we follow TransUNet.
            self.gn_proj = nn.GroupNorm(planes, planes, 1e-5) if per_channel else nn.GroupNorm(groups, planes, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inplanes, h, w] → [N, planes, h/stride, w/stride]."""
        shortcut = x if self.conv_proj is None else self.gn_proj(self.conv_proj(x))
        x = F.relu(self.gn1(self.conv1(x)), inplace=True)
        x = F.relu(self.gn2(self.conv2(x)), inplace=True)
        return F.relu(shortcut + self.gn3(self.conv3(x)), inplace=True)


class HybridResNet(nn.Module):
    """Features at strides 16, 8, 4 and 2 for the transformer and the decoder's skips.

    The max-pool after the root is unpadded, so maps at strides 4 and 8 may come out one pixel short: the
    stride-4 skip is zero-padded at the bottom and right, as published.

    Args:
        in_channels: channels of the images.
        width: channels of the root; stages have 4, 8 and 16 times as many.
        units: bottleneck units per stage.
        groups, projection_norm: see ``Unit``; ``groups`` must divide ``width``.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        width: int = 64,
        units: Sequence[int] = (3, 4, 9),
        groups: int = 32,
        projection_norm: ProjectionNorm = "channel",
    ) -> None:
        super().__init__()
        if width % groups:
            raise ValueError(f"groups must divide width, got {groups} and {width}")
        self.conv_root: nn.Conv2d = StdConv2d(in_channels, width, 7, 2)
        self.gn_root = nn.GroupNorm(groups, width, 1e-6)
        inplanes = width
        stages = []
        for i, count in enumerate(units):
            planes = width * 4 * 2**i
            first = Unit(inplanes, planes, 2 if i else 1, groups=groups, projection_norm=projection_norm)
            rest = [Unit(planes, planes, 1, groups=groups, projection_norm=projection_norm) for _ in range(count - 1)]
            stages.append(nn.Sequential(OrderedDict((f"unit{k}", unit) for k, unit in enumerate([first, *rest], 1))))
            inplanes = planes
        self.block1, self.block2, self.block3 = stages
        self.channels = (inplanes, inplanes // 2, inplanes // 4, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[N, in_channels, H, W] with H, W multiples of 16 → f16, f8, f4, f2."""
        height, width = x.shape[-2:]
        f2 = F.relu(self.gn_root(self.conv_root(x)), inplace=True)
        # No padding, as in TransUNet's code: one pixel short at even sizes.
        f4 = self.block1(F.max_pool2d(f2, 3, 2))
        f8 = self.block2(f4)
        return self.block3(f8), _fit(f8, height // 8, width // 8), _fit(f4, height // 4, width // 4), f2


def _fit(x: Tensor, height: int, width: int) -> Tensor:
    """Zero-pad a map at the bottom and right to the given size."""
    # Bottom and right: features keep their place at the top left, as published.
    bottom, right = height - x.shape[-2], width - x.shape[-1]
    return F.pad(x, (0, right, 0, bottom)) if bottom or right else x
