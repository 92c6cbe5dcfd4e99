"""An optimiser wrapper that works in every precision, on CPU and CUDA alike."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from harness.training.device import autocast

SMALLEST_SCALE = 2.0**-20


class NonFiniteError(Exception):
    """A loss or gradient that is NaN or infinite; the message says which."""


class PrecisionOptimWrapper(OptimWrapper):
    """mmengine's optimiser wrapper with autocast on any device and a check before each step.

    fp16 scales the loss with ``GradScaler``; bf16 and fp32 need no scaler. The loss and the gradient norm are
    looked at once per iteration, after the backward pass and before the weights change, so that a bad batch
    never reaches the weights. A step that the scaler skips because of infinite fp16 gradients is no error.

    Args:
        optimizer: the torch optimiser.
        device: device of the weights.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        max_norm: limit of the total gradient norm, None for none.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, *, device: torch.device, precision: str, max_norm: float | None
    ) -> None:
        super().__init__(optimizer)
        self.device, self.precision = device, precision
        self.max_norm = float("inf") if max_norm is None else max_norm
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.grad_norm: Tensor = torch.zeros(())
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast around the forward pass and the loss."""
        with autocast(self.device, self.precision):
            yield

    def update_params(self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None) -> None:
        """Backward, clip, check, step.

        Raises:
            NonFiniteError: the loss, or outside fp16 a gradient, is not finite; the weights are unchanged.
        """
        self.scaler.scale(loss).backward()
        # mmengine counts backward passes here for gradient accumulation; its messages are wrong otherwise.
        self._inner_count += 1
        # Clipping means the true gradient: with the loss scale inside, the limit would move with it.
        self.scaler.unscale_(self.optimizer)
        self.grad_norm = nn.utils.clip_grad_norm_(self._parameters, self.max_norm)
        try:
            self._check(loss)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        finally:
            self.optimizer.zero_grad()

    def _check(self, loss: Tensor) -> None:
        # One number to look at instead of two: the read makes the CPU wait for the GPU, and 0 · inf is NaN.
        watched = loss.detach() if self.scaler.is_enabled() else loss.detach() + 0 * self.grad_norm
        if torch.isfinite(watched):
            # Halving the scale twenty times below 1 has not helped: the gradients themselves are infinite.
            if self.scaler.is_enabled() and self.scaler.get_scale() < SMALLEST_SCALE:
                raise NonFiniteError("the gradients stay infinite in fp16")
            return
        value = loss.item()
        # NaN − NaN and inf − inf are NaN, which equals nothing.
        finite = value - value == 0
        raise NonFiniteError("a gradient became infinite or NaN" if finite else f"the loss became {value}")
