"""From a trained model to a copy that only infers, faster: what most ``compile_for_inference`` methods return."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

import harness.modeling.packed_blocks  # noqa: F401  (registers the packed forms of shared blocks)
from harness.modeling.folding import fold_batch_norm
from harness.modeling.packed_layers import Packed
from harness.modeling.packing import pack

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
Model = TypeVar("Model", bound=nn.Module)


def inference_copy(model: Model, precision: str = "fp32") -> Model:
    """A copy in eval mode with folded batch norms, packed layers and channels-last weights that cannot be trained.

    The model's hook ``merge_for_inference()`` is called on the copy before anything is folded.

    Args:
        model: any model with that hook; it is not changed.
        precision: ``"fp32"`` computes the same function to rounding; ``"bf16"`` holds weights and features in
            bfloat16 (a model keeps what it must in float32 by asking for it in its own packed forms).

    Raises:
        ValueError: unknown precision, or a model that is such a copy already.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {sorted(PRECISIONS)}, got '{precision}'")
    if any(isinstance(module, Packed) for module in model.modules()):
        raise ValueError("this model is compiled for inference already; compile the original one")
    model, dtype = copy.deepcopy(model).eval(), PRECISIONS[precision]
    model.merge_for_inference()  # type: ignore[operator]
    pack(fold_batch_norm(model), dtype)
    for parameter in model.parameters():
        layout = torch.channels_last if parameter.ndim == 4 else torch.preserve_format
        parameter.requires_grad_(False)
        parameter.data = parameter.data.to(dtype, memory_format=layout)
    return model
