"""Layers for inference on a CPU: weights laid out once, activations and residual sums fused.

An ordinary convolution reorders its weights at every call, and an ordinary linear layer (and 1x1 convolution on one
thread) goes through MKL, which reaches 40 % of oneDNN's speed on AMD processors. The packed layers hold weights in
the layout that they are multiplied in and apply the activation, or add a residual, while they write the output: linear
layers and 1x1 convolutions by our own kernel (``native.multiply``), which answers ten µs sooner than oneDNN and is about as
fast in what follows; all others, and those where there are no kernels, by oneDNN. On other devices, and where oneDNN is
missing too, the same modules run the ordinary operators.
"""

from __future__ import annotations

from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from echobench_kernels import native, onednn
from echobench_kernels.native import PANEL, Activation, in_rows


class Unhooked(nn.Module):
    """A module whose calls go straight to ``forward``: there are hundreds of them per frame, and each saves some µs.

    Hooks would be passed by, so that none can be registered.
    """

    def __call__(self, *inputs: Any) -> Any:
        return self.forward(*inputs)

    def register_forward_hook(self, *_: Any, **__: Any) -> NoReturn:
        """Refused.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{type(self).__name__} is called past hooks; register them on the model that was packed")

    register_forward_pre_hook = register_full_backward_hook = register_full_backward_pre_hook = register_forward_hook


class Packed(Unhooked):
    """A layer whose weights lie in memory as the computation reads them: for the C kernels, or else for oneDNN.

    The layout for the C kernels is made at once; oneDNN's at the first call, when the input's size is known. Both are buffers that
    ``state_dict`` leaves out.

    oneDNN chooses the layout by the size of the input, and another size on the same layout can be a hundred times slower:
    weights are packed again, in a millisecond or so, whenever the size changes.

    Attributes:
        dtype: of weights and output; inputs are cast to it.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.activation = dtype, activation
        self.packed_for: torch.Size | None = None
        self.operands: tuple[Any, ...] = ()
        layout = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
        bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
        self.register_buffer("weight", weight.detach().to(dtype, memory_format=layout), persistent=False)
        self.register_buffer("bias", bias.detach().to(dtype), persistent=False)
        self.panels: Tensor | None
        self.register_buffer("panels", None, persistent=False)

    def _cut_into_panels(self, matrix: Tensor) -> None:
        """Hold the weights [out, in] as ``native.multiply`` wants them, if it takes them."""
        if native.takes(matrix, self.dtype) and matrix.shape[1] % (4 // self.dtype.itemsize) == 0:
            self.panels = native.in_panels(matrix.detach().t(), self.dtype)
            self.bias = F.pad(self.bias, (0, -len(self.bias) % PANEL))
            # the panels replace the weights: held twice they would count twice in the memory column
            self.weight = self.weight.new_empty(0)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """activation(layer(x) + residual)."""
        raise NotImplementedError

    def _reordered(self, weight: Tensor, size: torch.Size) -> Tensor:
        raise NotImplementedError

    def _pack_for(self, x: Tensor) -> bool:
        """Pack the weights for inputs of this size; False where oneDNN does not take them."""
        if x.device.type != "cpu" or not onednn.available(self.dtype):
            return False
        weight = self.weight.to_dense() if self.weight.is_mkldnn else self.weight
        self.weight, self.packed_for = self._reordered(weight, x.shape), x.shape
        self.operands = (self.weight, self.bias)
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

    Args:
        conv: the convolution, which is not changed; batch norm must be folded into it before.
        activation: applied after the residual sum.
        dtype: of weights and output.
        rectify: the input goes through a ReLU first.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        activation: Activation = "none",
        dtype: torch.dtype = torch.float32,
        *,
        rectify: bool = False,
    ) -> None:
        if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise ValueError(
                f"only zero padding of a stated size can be packed, got {conv.padding}, {conv.padding_mode}"
            )
        super().__init__(conv.weight, conv.bias, activation, dtype)
        self.rectify = rectify
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.where = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        if conv.kernel_size == (1, 1) and self.where == ([0, 0], [1, 1], list(conv.dilation), 1):
            self._cut_into_panels(conv.weight.flatten(1))

    def _reordered(self, weight: Tensor, size: torch.Size) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_weight(weight, *self.where, list(size))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [N, C, H, W] and, if any, a residual of the output's shape."""
        x = in_rows(x, self.dtype)
        if self.rectify:
            x = F.relu(x)
        if residual is not None:
            residual = in_rows(residual, self.dtype)
        if self.panels is not None:
            added = None if residual is None else residual.permute(0, 2, 3, 1)
            rows = native.multiply(
                x.permute(0, 2, 3, 1), self.panels, self.bias, added, self.out_channels, self.activation
            )
            return rows.permute(0, 3, 1, 2)
        # oneDNN's layout depends on the input's size; on the layout of another size it can be a hundred times slower
        if x.shape != self.packed_for and not self._pack_for(x):
            padding, stride, dilation, groups = self.where
            return finish(F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups), residual, self)
        alone, summed = onednn.convolutions()
        if residual is None:
            return alone(x, *self.operands, *self.where, *self._fused())
        relu = "relu" if self.activation == "relu" else None
        out = summed(x, residual, *self.operands, *self.where, "add", 1.0, relu, [], None)
        # oneDNN fuses a sum with ReLU only
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
        self._cut_into_panels(linear.weight)

    def _reordered(self, weight: Tensor, size: torch.Size) -> Tensor:
        return torch.ops.mkldnn._reorder_linear_weight(weight, size[:-1].numel())

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [..., C_in] and, if any, a residual [..., C_out] → [..., C_out]."""
        x = x.to(self.dtype)
        residual = residual if residual is None else residual.to(self.dtype)
        if self.panels is not None:
            residual = residual if residual is None else residual.contiguous()
            return native.multiply(x.contiguous(), self.panels, self.bias, residual, self.out_features, self.activation)
        if x.shape != self.packed_for and not self._pack_for(x):
            return finish(F.linear(x, self.weight, self.bias), residual, self)
        alone, summed = onednn.products()
        if residual is None:
            return alone(x, *self.operands, *self._fused())
        out = summed(x, residual, *self.operands, "add")
        return finish(out, None, self)


def finish(out: Tensor, residual: Tensor | None, layer: Packed) -> Tensor:
    """The plain form of what oneDNN fuses; ``out`` is changed in place."""
    if residual is not None:
        out += residual
    if layer.activation == "none":
        return out
    return F.relu(out, inplace=True) if layer.activation == "relu" else torch.ops.aten.gelu_(out)
