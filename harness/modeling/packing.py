"""Layers for inference on a CPU: weights stored once in oneDNN's layout, activations and residual sums fused.

An ordinary convolution reorders its weights at every call, and an ordinary linear layer (and 1x1 convolution on one
thread) goes through MKL, which reaches 40 % of oneDNN's speed on AMD processors. The packed layers hold weights in
the layout that oneDNN wants and let it apply the activation, or add a residual, while it writes the output. On other
devices, and where oneDNN is missing, the same modules run the ordinary operators.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["none", "relu", "gelu"]


class Packed(nn.Module):
    """Weights in ``dtype``, packed at the first call on a CPU with oneDNN (all buffers, none of them saved).

    Attributes:
        dtype: of weights and output; inputs are cast to it.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.activation = dtype, activation
        layout = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
        bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
        self.register_buffer("weight", weight.detach().to(dtype, memory_format=layout), persistent=False)
        self.register_buffer("bias", bias.detach().to(dtype), persistent=False)

    def _reorder(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _packable(self, x: Tensor) -> bool:
        """Whether oneDNN takes this input; packs the weights for its size if they are not packed yet."""
        if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
            return False
        if not self.weight.is_mkldnn:
            self.weight = self._reorder(x)
        return True

    def _fused(self) -> tuple[str, list[Any], str]:
        """oneDNN's name of the activation, its numbers and its algorithm."""
        return self.activation, [], "none" if self.activation == "gelu" else ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Packed:
        """Share the weights, which never change, with the copy (packed ones cannot be copied)."""
        copy = type(self).__new__(type(self))
        nn.Module.__init__(copy)
        own = {key: dict(value) if isinstance(value, dict) else value for key, value in self.__dict__.items()}
        copy.__dict__.update(own)
        return copy


class PackedConv(Packed):
    """activation(conv(x) + residual), in channels-last layout.

    Weights are packed for the input size of the first call; other sizes work too, a little slower.

    Args:
        conv: the convolution, which is not changed; batch norm must be folded into it before.
        activation: applied after the residual sum.
        dtype: of weights and output.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation = "none", dtype: torch.dtype = torch.float32) -> None:
        if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise ValueError(
                f"only zero padding of a stated size can be packed, got {conv.padding}, {conv.padding_mode}"
            )
        super().__init__(conv.weight, conv.bias, activation, dtype)
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.where = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)

    def _reorder(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.where, list(x.shape))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [N, C, H, W] and, if any, a residual of the output's shape."""
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        if residual is not None:
            residual = residual.to(self.dtype).contiguous(memory_format=torch.channels_last)
        if not self._packable(x):
            padding, stride, dilation, groups = self.where
            return _finish(F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups), residual, self)
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(x, self.weight, self.bias, *self.where, *self._fused())
        relu = "relu" if self.activation == "relu" else None
        out = torch.ops.mkldnn._convolution_pointwise.binary(
            x, residual, self.weight, self.bias, *self.where, "add", 1.0, relu, [], None
        )
        return F.gelu(out) if self.activation == "gelu" else out


class PackedLinear(Packed):
    """activation(linear(x) + residual) on the last dimension.

    Args:
        linear: the layer, which is not changed.
        activation: applied after the residual sum (gelu is the exact one).
        dtype: of weights and output.
    """

    def __init__(self, linear: nn.Linear, activation: Activation = "none", dtype: torch.dtype = torch.float32) -> None:
        super().__init__(linear.weight, linear.bias, activation, dtype)
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def _reorder(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._reorder_linear_weight(self.weight, x.shape[:-1].numel())

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [..., C_in] and, if any, a residual [..., C_out] → [..., C_out]."""
        x = x.to(self.dtype)
        residual = residual if residual is None else residual.to(self.dtype)
        if not self._packable(x):
            return _finish(F.linear(x, self.weight, self.bias), residual, self)
        if residual is None:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, *self._fused())
        out = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.weight, self.bias, "add")
        return _finish(out, None, self)


def _finish(out: Tensor, residual: Tensor | None, layer: Packed) -> Tensor:
    """The plain form of what oneDNN fuses."""
    if residual is not None:
        out = out + residual
    if layer.activation == "none":
        return out
    return F.relu(out, inplace=True) if layer.activation == "relu" else F.gelu(out)


@functools.singledispatch
def packed_form(module: nn.Module, dtype: torch.dtype) -> nn.Module | None:
    """The packed form of a module, or None where only its children can be packed; register block types here."""
    if type(module).forward is nn.Conv2d.forward and not isinstance(cast(nn.Conv2d, module).padding, str):
        conv = cast(nn.Conv2d, module)
        return PackedConv(conv, dtype=dtype) if conv.padding_mode == "zeros" else None
    return PackedLinear(cast(nn.Linear, module), dtype=dtype) if type(module) is nn.Linear else None


def pack(module: nn.Module, dtype: torch.dtype) -> None:
    """Replace, in place, everything below ``module`` that has a packed form; batch norms must be folded before.

    Inside a Sequential, the ReLU or GELU that follows a convolution or linear layer is fused into it. What has no
    packed form keeps its parameters and its type. A module may name, in an attribute ``float32_parts``, children that
    stay float32 whatever ``dtype`` (they cast their input): heads whose output's rounding would show.
    """
    exact = getattr(module, "float32_parts", ())
    if isinstance(module, nn.Sequential):
        _fuse_activations(module, dtype)
    for name, child in list(module.named_children()):
        if isinstance(child, Packed):
            continue
        own = torch.float32 if name in exact else dtype
        packed = packed_form(child, own)
        if packed is None:
            pack(child, own)
        else:
            setattr(module, name, packed)


def _fuse_activations(chain: nn.Sequential, dtype: torch.dtype) -> None:
    last: str | None = None
    for name, child in list(chain.named_children()):
        activation = _activation(child)
        if last is not None and activation is not None:
            layer = cast("PackedConv | PackedLinear", getattr(chain, last))
            layer.activation = activation
            setattr(chain, name, nn.Identity())
        if isinstance(child, nn.Identity):
            continue
        packed = packed_form(child, dtype) if type(child) in (nn.Conv2d, nn.Linear) else None
        last = None if packed is None else name
        if packed is not None:
            setattr(chain, name, packed)


def _activation(module: nn.Module) -> Activation | None:
    if type(module) is nn.ReLU:
        return "relu"
    return "gelu" if type(module) is nn.GELU and module.approximate == "none" else None


def weight_dtype(module: nn.Module) -> torch.dtype:
    """Type of a module's weights, packed or not."""
    for child in module.modules():
        if isinstance(child, Packed):
            return child.dtype
    return next(module.parameters()).dtype
