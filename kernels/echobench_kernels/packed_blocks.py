"""Packed forms of the residual blocks and trunks that several models share; importing this registers them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from echobench_kernels.packed_layers import Unhooked
from echobench_kernels.packing import packed_form
from echobench_kernels.winograd import packed_conv
from harness.modeling.residual import PreActivationResidual
from harness.modeling.resnet import BasicBlock, Bottleneck, ResNetTrunk


class PackedResidual(Unhooked):
    """A basic block or bottleneck of a ResNet with folded norms: the last convolution adds the shortcut."""

    def __init__(self, block: BasicBlock | Bottleneck, dtype: torch.dtype) -> None:
        super().__init__()
        convs = [block.conv1, block.conv2, *([block.conv3] if isinstance(block, Bottleneck) else [])]
        *first, last = (packed_conv(conv, "relu", dtype) for conv in convs)
        self.first, self.last = nn.Sequential(*first), last
        short = None if block.downsample is None else block.downsample[0]
        self.shortcut = packed_conv(short, "none", dtype) if isinstance(short, nn.Conv2d) else None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → the block's output, shortcut and activation included."""
        return self.last(self.first(x), x if self.shortcut is None else self.shortcut(x))


class PackedTrunk(Unhooked):
    """A ResNet trunk with folded norms, with the outputs of ``ResNetTrunk``."""

    def __init__(self, trunk: ResNetTrunk, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv1, self.maxpool = packed_conv(trunk.conv1, "relu", dtype), trunk.maxpool
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(*(PackedResidual(block, dtype) for block in stage))  # type: ignore[arg-type]
            for stage in (trunk.layer1, trunk.layer2, trunk.layer3)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N, C, H, W] → features at strides 4, 8 and 16."""
        f4 = self.layer1(self.maxpool(self.conv1(x)))
        f8 = self.layer2(f4)
        return f4, f8, self.layer3(f8)


class PackedPreActivation(Unhooked):
    """``PreActivationResidual``: the inner ReLU and the sum with the shortcut are fused."""

    def __init__(self, block: PreActivationResidual, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv1 = packed_conv(block.conv1, "relu", dtype, rectify=True)
        self.conv2 = packed_conv(block.conv2, "none", dtype)
        self.downsample = None if block.downsample is None else packed_conv(block.downsample, "none", dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C', h, w]."""
        return self.conv2(self.conv1(x), x if self.downsample is None else self.downsample(x))


@packed_form.register
def _(block: BasicBlock, dtype: torch.dtype) -> nn.Module:
    return PackedResidual(block, dtype)


@packed_form.register
def _(block: Bottleneck, dtype: torch.dtype) -> nn.Module:
    return PackedResidual(block, dtype)


@packed_form.register
def _(trunk: ResNetTrunk, dtype: torch.dtype) -> nn.Module:
    return PackedTrunk(trunk, dtype)


@packed_form.register
def _(block: PreActivationResidual, dtype: torch.dtype) -> nn.Module:
    return PackedPreActivation(block, dtype)
