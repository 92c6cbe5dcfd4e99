"""Folding batch norm into the convolution before it, for inference."""

from __future__ import annotations

import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

Model = TypeVar("Model", bound=nn.Module)


def fold_batch_norm(model: Model) -> Model:
    """Fold every batch norm of an eval-mode model into its convolution, in place; return the model.

    Pairs are found by name or place inside one module: ``conv1`` with ``bn1`` (the ResNet blocks), and a
    convolution directly followed by a batch norm inside a Sequential. The batch norm becomes an Identity.
    Other batch norms stay as they are.

    Raises:
        ValueError: the model is in training mode, where the statistics of a batch norm are not fixed.
    """
    if model.training:
        raise ValueError("Batch norm can be folded in eval mode only; call model.eval() first.")
    with torch.no_grad():
        for module in list(model.modules()):
            for conv, norm in _pairs(module):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
    return model


def _pairs(module: nn.Module) -> list[tuple[str, str]]:
    children = dict(module.named_children())
    if isinstance(module, nn.Sequential):
        names = list(children)
        found = list(itertools.pairwise(names))
    else:
        found = [(name, name.replace("conv", "bn", 1)) for name in children if name.startswith("conv")]
    return [(a, b) for a, b in found if _foldable(children.get(a), children.get(b))]


def _foldable(conv: nn.Module | None, norm: nn.Module | None) -> bool:
    return isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and conv.out_channels == norm.num_features
