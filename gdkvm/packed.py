"""Inference forms of GDKVM's convolutional blocks: batch norm folded, weights packed, activations fused.

On the CPU a convolution reorders its weights at every call; for 3x3 kernels on the small maps at stride 16 that costs
more than the arithmetic. ``PackedConv`` stores them once in the layout that oneDNN wants and lets it apply the
activation and the residual sum while it writes the output. Where oneDNN is missing, and on other devices, the same
modules run the ordinary operators in channels-last layout.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gdkvm.blocks import ChannelAttentionBlock, expand_objects
from gdkvm.decoder import UpBlock
from harness.modeling.resnet import BasicBlock, Bottleneck, ResNetTrunk

Activation = Literal["none", "relu", "gelu"]


class PackedConv(nn.Module):
    """A convolution for inference, optionally with a batch norm folded into it and an activation fused.

    Weights are packed for the input size of the first call; other sizes work too, a little slower.

    Args:
        conv: the convolution; it is not changed.
        norm: a batch norm in eval mode that follows it.
        activation: applied to the output (after the residual sum, where there is one).
        dtype: of weights and output.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        conv: nn.Conv2d,
        norm: nn.BatchNorm2d | None = None,
        activation: Activation = "none",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        if norm is not None:
            mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
            fused = fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, norm.weight, norm.bias)
            weight, bias = fused[0].detach(), fused[1].detach()
        if bias is None:
            bias = weight.new_zeros(weight.shape[0])
        self.register_buffer("bias", bias.to(dtype), persistent=False)
        self.register_buffer("weight", weight.to(dtype, memory_format=torch.channels_last), persistent=False)
        self.activation: Activation = activation
        self.stride, self.padding, self.dilation = list(conv.stride), _pair(conv.padding), list(conv.dilation)
        self.groups = conv.groups
        self.packed: Tensor | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """activation(conv(x) + residual) in channels-last layout."""
        x = x.to(self.bias.dtype).contiguous(memory_format=torch.channels_last)
        if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
            return self._plain(x, residual)
        if self.packed is None:
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, self.dilation, self.groups, list(x.shape)
            )
            self.weight = self.weight.new_empty(0)
        where = (self.padding, self.stride, self.dilation, self.groups)
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x, self.packed, self.bias, *where, self.activation, [], "none" if self.activation == "gelu" else ""
            )
        residual = residual.to(x.dtype).contiguous(memory_format=torch.channels_last)
        unary = None if self.activation == "none" else self.activation
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, residual, self.packed, self.bias, *where, "add", 1.0, unary, [], None
        )

    def _plain(self, x: Tensor, residual: Tensor | None) -> Tensor:
        out = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        if residual is not None:
            out = out + residual
        if self.activation == "none":
            return out
        return F.relu(out, inplace=True) if self.activation == "relu" else F.gelu(out)


def _pair(padding: str | tuple[int, ...]) -> list[int]:
    if isinstance(padding, str):
        raise ValueError(f"padding must be numbers, got {padding!r}")
    return list(padding)


class PackedResidual(nn.Module):
    """A basic block or bottleneck of a ResNet: convolutions with folded norms, the last one adds the shortcut."""

    def __init__(self, block: BasicBlock | Bottleneck, dtype: torch.dtype) -> None:
        super().__init__()
        pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
        if isinstance(block, Bottleneck):
            pairs.append((block.conv3, block.bn3))
        self.convs = nn.ModuleList(PackedConv(conv, norm, "relu", dtype) for conv, norm in pairs)
        short = block.downsample
        self.shortcut = None
        if short is not None:
            self.shortcut = PackedConv(cast(nn.Conv2d, short[0]), cast(nn.BatchNorm2d, short[1]), "none", dtype)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for conv in self.convs[:-1]:
            out = conv(out)
        return self.convs[-1](out, x if self.shortcut is None else self.shortcut(x))


class PackedTrunk(nn.Module):
    """A ResNet trunk of packed blocks, with the outputs of ``ResNetTrunk``."""

    def __init__(self, trunk: ResNetTrunk, dtype: torch.dtype) -> None:
        super().__init__()
        self.stem = PackedConv(trunk.conv1, trunk.bn1, "relu", dtype)
        self.pool = trunk.maxpool
        stages = (trunk.layer1, trunk.layer2, trunk.layer3)
        self.stages = nn.ModuleList(
            nn.Sequential(*(PackedResidual(cast(BasicBlock | Bottleneck, block), dtype) for block in stage))
            for stage in stages
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N, C, H, W] → features at strides 4, 8 and 16."""
        f4 = self.stages[0](self.pool(self.stem(x)))
        f8 = self.stages[1](f4)
        return f4, f8, self.stages[2](f8)


class PackedAttentionBlock(nn.Module):
    """``ChannelAttentionBlock`` with packed convolutions."""

    def __init__(self, block: ChannelAttentionBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv1 = PackedConv(block.conv1, None, "relu", dtype)
        self.conv2 = PackedConv(block.conv2, None, "none", dtype)
        self.gate = block.gate

    def forward(self, x: Tensor) -> Tensor:
        branch = self.conv2(self.conv1(F.relu(x)))
        pooled = branch.mean((-2, -1), dtype=self.gate.weight.dtype).unsqueeze(1)
        gate = torch.sigmoid(self.gate(pooled)).squeeze(1).to(branch.dtype)
        return torch.addcmul(x.to(branch.dtype), branch, gate[..., None, None])


class PackedUpBlock(nn.Module):
    """``UpBlock`` with packed convolutions; the shortcut's convolution adds the branch while it writes."""

    def __init__(self, block: UpBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv1 = PackedConv(block.conv1, None, "gelu", dtype)
        self.conv2 = PackedConv(block.conv2, None, "gelu", dtype)
        self.shortcut = None if block.shortcut is None else PackedConv(block.shortcut, None, "none", dtype)

    def forward(self, x: Tensor, skip: Tensor, objects: int) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = x + expand_objects(skip, objects)
        branch = self.conv2(self.conv1(x))
        return branch.add_(x) if self.shortcut is None else self.shortcut(x, branch)


def pack(module: nn.Module, dtype: torch.dtype) -> None:
    """Replace, in place, every block and convolution below ``module`` by its packed form."""
    for name, child in module.named_children():
        packed: nn.Module | None = None
        if isinstance(child, ResNetTrunk):
            packed = PackedTrunk(child, dtype)
        elif isinstance(child, ChannelAttentionBlock):
            packed = PackedAttentionBlock(child, dtype)
        elif isinstance(child, UpBlock):
            packed = PackedUpBlock(child, dtype)
        elif isinstance(child, nn.Conv2d):
            packed = PackedConv(child, None, "none", dtype)
        if packed is None:
            pack(child, dtype)
        else:
            setattr(module, name, packed)
