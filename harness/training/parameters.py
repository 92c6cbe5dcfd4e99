"""Which parameters decay, which learn slower, and the optimiser over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from harness.modeling.pretrained import pretrained_parameters
from harness.training.recipe import OptimizerSpec

_LEARNED_CODES = ("embed", "position", "pos_", "query", "queries", "token")


def undecayed_parameters(model: nn.Module) -> set[int]:
    """Ids of the parameters without weight decay: norms, biases, scalars and embeddings.

    Embeddings are the weights of ``nn.Embedding`` and learned codes, i.e. parameters that a module other than
    a convolution or linear layer owns directly under a name with ``embed``, ``position``, ``query`` or
    ``token``. A model may name more with an optional method ``no_weight_decay()`` that returns their names.
    """
    said: Callable[[], Iterable[str]] | None = getattr(model, "no_weight_decay", None)
    named = set(said()) if said is not None else set()
    # Decay pulls towards zero: for a norm's scale or a bias zero means nothing (He et al. 2019, "Bag of tricks").
    found = {id(p) for name, p in model.named_parameters() if p.ndim <= 1 or name in named}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, nn.Embedding) or _is_code(module, name):
                found.add(id(parameter))
    return found


def _is_code(module: nn.Module, name: str) -> bool:
    # A projection called "query" is an ordinary weight matrix and decays; a learned code is not.
    layer = isinstance(module, nn.Linear | nn.modules.conv._ConvNd | nn.MultiheadAttention)
    return not layer and any(word in name.lower() for word in _LEARNED_CODES)


def parameter_groups(model: nn.Module, spec: OptimizerSpec) -> list[dict[str, Any]]:
    """Parameter groups by (pretrained?, decayed?), in a fixed order, with ``lr``, ``initial_lr`` and ``weight_decay``.

    ``backbone_lr_factor`` applies to weights that were loaded (``mark_pretrained``) and to no others: what starts from
    random numbers has to learn at the full rate, or it is held back against models whose encoder is no ResNet.
    """
    pretrained, undecayed = pretrained_parameters(model), undecayed_parameters(model)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = defaultdict(list)
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[id(parameter) in pretrained, id(parameter) not in undecayed].append(parameter)
    # Sorted: the optimiser's state in a checkpoint is by position.
    return [_group(groups[key], spec, *key) for key in sorted(groups)]


def _group(parameters: list[nn.Parameter], spec: OptimizerSpec, pretrained: bool, decayed: bool) -> dict[str, Any]:
    lr = spec.lr * (spec.backbone_lr_factor if pretrained else 1.0)
    return {"params": parameters, "lr": lr, "initial_lr": lr, "weight_decay": spec.weight_decay * decayed}


def build_optimizer(model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """The optimiser over ``model``'s parameters, with fused kernels (same update, one pass over memory)."""
    options: dict[str, Any] = {"momentum": 0.9, "nesterov": True} if spec.type == "SGD" else {}
    return getattr(torch.optim, spec.type)(parameter_groups(model, spec), lr=spec.lr, fused=True, **options)


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group to its initial rate times ``factor``."""
    for group in optimizer.param_groups:
        # From the initial rate, not from the last one: no rounding adds up and a resumed run needs no history.
        group["lr"] = group["initial_lr"] * factor
