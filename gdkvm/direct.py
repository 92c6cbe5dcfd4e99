"""Packed layers without the ceremony of a module's call: GDKVM calls more than a hundred of them per frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from harness.modeling.packing import PackedConv, PackedLinear


class DirectConv(PackedConv):
    """``PackedConv`` that remembers its operator's arguments after the first call; hooks are not run."""

    bound: tuple[Any, ...] | None = None

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self.bound is None or x.device.type != "cpu":
            return self._first(x, residual)
        plain, summed, dtype, head, fused, relu = self.bound
        x = x.to(dtype).contiguous(memory_format=torch.channels_last)
        if residual is None:
            return plain(x, *head, *fused)
        residual = residual.to(dtype).contiguous(memory_format=torch.channels_last)
        return summed(x, residual, *head, "add", 1.0, relu, [], None)

    def _first(self, x: Tensor, residual: Tensor | None) -> Tensor:
        out = self.forward(x, residual)
        if self.weight.is_mkldnn and not (self.activation == "gelu" and residual is not None):
            operator = torch.ops.mkldnn._convolution_pointwise
            relu = "relu" if self.activation == "relu" else None
            head = (self.weight, self.bias, *self.where)
            fused: tuple[Any, ...] = (self.activation, [], "none" if self.activation == "gelu" else "")
            self.bound = (operator.default, operator.binary, self.dtype, head, fused, relu)
        return out


class DirectLinear(PackedLinear):
    """``PackedLinear`` that remembers its operator's arguments after the first call; hooks are not run."""

    bound: tuple[Any, ...] | None = None

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self.bound is None or x.device.type != "cpu":
            return self._first(x, residual)
        plain, summed, dtype, weight, bias, activation = self.bound
        if residual is None:
            return plain(x.to(dtype), weight, bias, activation, [], "")
        return summed(x.to(dtype), residual.to(dtype), weight, bias, "add")

    def _first(self, x: Tensor, residual: Tensor | None) -> Tensor:
        out = self.forward(x, residual)
        if self.weight.is_mkldnn and (self.activation == "none" or (self.activation == "relu" and residual is None)):
            operator = torch.ops.mkldnn._linear_pointwise
            self.bound = (operator.default, operator.binary, self.dtype, self.weight, self.bias, self.activation)
        return out


def call_directly(model: nn.Module) -> nn.Module:
    """Give every packed layer of ``model`` its direct form, in place."""
    forms: dict[type, type] = {PackedConv: DirectConv, PackedLinear: DirectLinear}
    for module in model.modules():
        if type(module) in forms:
            module.__class__ = forms[type(module)]
    return model
