"""From modules to their packed forms (``packed_layers``, ``winograd``), and what follows a layer fused into it."""

from __future__ import annotations

import functools
from typing import cast

import torch
from torch import nn

from echobench_kernels.packed_layers import Activation, Packed, PackedConv, PackedLinear
from echobench_kernels.winograd import packed_conv

FLOAT32_PARTS: dict[type[nn.Module], tuple[str, ...]] = {}


def keep_float32(kind: type[nn.Module], *children: str) -> None:
    """Name children of a kind of module that are float32 in every precision: heads whose output's rounding would show."""
    FLOAT32_PARTS[kind] = children


@functools.singledispatch
def packed_form(module: nn.Module, dtype: torch.dtype) -> nn.Module | None:
    """The packed form of a module, or None where only its children can be packed; register block types here."""
    if type(module).forward is nn.Conv2d.forward and not isinstance(cast(nn.Conv2d, module).padding, str):
        conv = cast(nn.Conv2d, module)
        return packed_conv(conv, dtype=dtype) if conv.padding_mode == "zeros" else None
    return PackedLinear(cast(nn.Linear, module), dtype=dtype) if type(module) is nn.Linear else None


def pack(module: nn.Module, dtype: torch.dtype) -> None:
    """Replace, in place, everything below ``module`` that has a packed form; batch norms must be folded before.

    Inside a Sequential, the ReLU or GELU that follows a convolution or linear layer is fused into it. What has no
    packed form keeps its parameters and its type. Children that are named by ``keep_float32`` stay float32 whatever
    ``dtype`` (they cast their input).
    """
    exact = next((FLOAT32_PARTS[kind] for kind in type(module).__mro__ if kind in FLOAT32_PARTS), ())
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
