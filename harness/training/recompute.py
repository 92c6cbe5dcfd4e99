"""Activation checkpointing: a trunk's activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from harness.modeling.resnet import ResNetTrunk


def checkpointed_modules(model: nn.Module) -> list[nn.Module]:
    """The modules whose activations are recomputed.

    A model may name them itself with an optional method ``checkpointed_modules()``; otherwise they are the three
    stages of its ``ResNetTrunk`` modules. A model with neither keeps its activations.
    """
    # Only the model's author knows where its memory goes.
    said: Callable[[], Iterable[nn.Module]] | None = getattr(model, "checkpointed_modules", None)
    if said is not None:
        return list(said())
    trunks = [module for module in model.modules() if isinstance(module, ResNetTrunk)]
    return [stage for trunk in trunks for stage in (trunk.layer1, trunk.layer2, trunk.layer3)]


def recompute_activations(model: nn.Module) -> int:
    """Make ``checkpointed_modules`` keep their inputs only while gradients are recorded; return their number.

    The recomputation draws the same random numbers and leaves batch-norm statistics alone, so that weights and
    statistics come out as without checkpointing.
    """
    modules = checkpointed_modules(model)
    for module in modules:
        module.forward = _Recomputed(module, module.forward)
    return len(modules)


class _Recomputed:
    """The forward of a module under ``torch.utils.checkpoint``."""

    def __init__(self, module: nn.Module, forward: Callable[..., Any]) -> None:
        self.forward = forward
        self.norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

    def __call__(self, *inputs: Any) -> Any:
        # In evaluation nothing is kept anyway; recomputing would only cost time.
        if not torch.is_grad_enabled():
            return self.forward(*inputs)
        # use_reentrant=False works with inputs that need no gradient (frames) and inside DDP.
        return checkpoint(self.forward, *inputs, use_reentrant=False, context_fn=self._contexts)

    def _contexts(self) -> tuple[Any, Any]:
        return contextlib.nullcontext(), self._without_statistics()

    @contextlib.contextmanager
    def _without_statistics(self) -> Iterator[None]:
        """With momentum 0 the batch statistics do not enter the running ones a second time; the count is put back."""
        before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in self.norms]
        for norm, _, count in before:
            norm.momentum = 0.0
            # A copy takes the count of the second pass; the first one has been counted.
            norm.num_batches_tracked = None if count is None else count.clone()
        try:
            yield
        finally:
            for norm, momentum, count in before:
                norm.momentum, norm.num_batches_tracked = momentum, count
