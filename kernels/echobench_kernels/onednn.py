"""oneDNN's fused operators as torch has them inside: private names, taken only where they were tried.

``torch.ops.mkldnn._convolution_pointwise`` and ``_linear_pointwise`` are what torch.compile itself calls on a CPU. They have
no promise of stability; with another version the packed layers run torch's ordinary operators, which compute the same.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import torch

OLDEST, NEWEST = (2, 4), (2, 13)
"""Versions of torch between which the operators take the arguments that they are given here (tried: 2.4, 2.11, 2.13)."""


@functools.cache
def fused() -> bool:
    """Whether the fused operators can be used; warns, once, where this torch is not known to have them."""
    version = tuple(int(number) for number in torch.__version__.split("+")[0].split(".")[:2])
    named = all(
        hasattr(torch.ops.mkldnn, name)
        for name in (
            "_convolution_pointwise",
            "_linear_pointwise",
            "_reorder_convolution_weight",
            "_reorder_linear_weight",
        )
    )
    if OLDEST <= version <= NEWEST and named:
        return True
    warnings.warn(
        f"echobench-kernels does not know the fused operators of torch {torch.__version__} (known: {OLDEST[0]}.{OLDEST[1]} to "
        f"{NEWEST[0]}.{NEWEST[1]}); layers without a kernel of ours run as torch's ordinary operators, which is slower.",
        stacklevel=2,
    )
    return False


def available(dtype: torch.dtype = torch.float32) -> bool:
    """Whether the fused operators can be used on this processor now, in this type."""
    if not torch.backends.mkldnn.is_available() or not fused():
        return False
    # below AVX-512 oneDNN refuses to lay out bfloat16 weights, with an error in the middle of a clip
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@functools.cache
def convolutions() -> tuple[Any, Any]:
    """The fused convolution, alone and with a sum."""
    operator = torch.ops.mkldnn._convolution_pointwise
    return operator.default, operator.binary


@functools.cache
def products() -> tuple[Any, Any]:
    """The fused linear layer, alone and with a sum."""
    operator = torch.ops.mkldnn._linear_pointwise
    return operator.default, operator.binary
