"""From a trained model to a copy that only infers, faster: what the engine returns for most models."""

from __future__ import annotations

import copy
import functools
from typing import TypeVar

import torch
from torch import nn

import echobench_kernels.packed_blocks  # noqa: F401  (registers the packed forms of shared blocks)
from echobench_kernels.folding import fold_batch_norm
from echobench_kernels.packed_layers import Packed
from echobench_kernels.packing import pack

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
Model = TypeVar("Model", bound=nn.Module)


@functools.singledispatch
def merge(model: nn.Module) -> None:
    """Rewrite, in place, what folding of batch norms cannot see in a model of this kind; nothing unless registered."""


def inference_copy(model: Model, precision: str = "fp32") -> Model:
    """A copy in eval mode with folded batch norms, packed layers and channels-last weights that cannot be trained.

    ``merge`` is called on the copy before anything is folded.

    Args:
        model: any model; it is not changed.
        precision: ``"fp32"`` computes the same function to rounding; ``"bf16"`` holds weights and features in
            bfloat16, but for what ``keep_float32`` names.

    Raises:
        ValueError: unknown precision, or a model that is such a copy already.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {sorted(PRECISIONS)}, got '{precision}'")
    if any(isinstance(module, Packed) for module in model.modules()):
        raise ValueError("this model is packed for inference already; pack the original one")
    model, dtype = copy.deepcopy(model).eval(), PRECISIONS[precision]
    merge(model)
    pack(fold_batch_norm(model), dtype)
    # what has no packed form still runs faster in the layout of its packed neighbours
    for parameter in model.parameters():
        layout = torch.channels_last if parameter.ndim == 4 else torch.preserve_format
        parameter.requires_grad_(False)
        parameter.data = parameter.data.to(dtype, memory_format=layout)
    return model
