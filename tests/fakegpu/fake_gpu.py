"""A GPU that is not there: torch's Python backend for devices of others, under tensors without values.

Every operator runs its shape and device rules and nothing else. What a real GPU would punish is an error here: a
tensor of another device among the inputs of an operator, and a value that is asked for (``item``, ``nonzero``, a branch
on a tensor), which on a real one makes the processor wait. CUDA's own fake tensors are refused by CPU builds of torch.

This cannot be undone for a process (the backend keeps its name), so the cases run in one of their own (``cases.py``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

GPU = "gpu"
M = TypeVar("M", bound=nn.Module)


UNORDERED = frozenset(
    [
        "avg_pool3d_backward",
        "_adaptive_avg_pool2d_backward",
        "adaptive_avg_pool2d_backward",
        "_adaptive_avg_pool3d_backward",
        "adaptive_max_pool2d_backward",
        "fractional_max_pool2d_backward",
        "fractional_max_pool3d_backward",
        "max_unpool2d",
        "max_unpool3d",
        "upsample_linear1d_backward",
        "upsample_bilinear2d_backward",
        "upsample_bicubic2d_backward",
        "upsample_trilinear3d_backward",
        "reflection_pad1d_backward",
        "reflection_pad2d_backward",
        "reflection_pad3d_backward",
        "nll_loss2d_forward",
        "nll_loss_forward",
        "_ctc_loss_backward",
        "put",
        "histc",
        "bincount",
        "median",
        "grid_sampler_2d_backward",
        "grid_sampler_3d_backward",
        "cumsum",
        "scatter_reduce",
    ]
)
"""Operators without an ordered kernel on CUDA, by the documentation of ``torch.use_deterministic_algorithms``."""


class Unordered(TorchDispatchMode):
    """Notes which of the operators that run have no ordered kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names |= {function.__name__.partition(".")[0]} & UNORDERED
        return function(*args, **(kwargs or {}))


def missing() -> str | None:
    """Why there is no fake GPU with this torch, or None; the interface is private and younger than torch 2.4."""
    if hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        return None
    return f"torch {torch.__version__} has no Python backend for devices of others"


def register() -> None:
    """Make the device ``gpu`` known to this process."""
    # What torch asks of a device's module where no kernel runs: autocast's types, and seeding.
    module = SimpleNamespace(
        get_amp_supported_dtype=lambda: [torch.bfloat16, torch.float16],
        is_available=lambda: True,
        is_initialized=lambda: False,
        current_device=lambda: 0,
        device_count=lambda: 1,
        _is_in_bad_fork=lambda: False,
        manual_seed_all=lambda seed: None,
    )
    backend_registration._setup_privateuseone_for_python_backend(GPU, backend_module=module)


@contextlib.contextmanager
def fake_gpu(*, reads: bool = False) -> Iterator[None]:
    """Inside, tensors have a device and a shape and no values; draws of a given generator are real numbers.

    (Draws decide how a clip is augmented; a generator lives on the CPU, so reading them makes nobody wait.)

    Args:
        reads: values may decide sizes (an index by a mask), as where a clip is prepared and not predicted.
    """
    drawn, integers, numbers = torch.rand, torch.randint, torch.tensor

    def rand(*shape: Any, generator: torch.Generator | None = None, **options: Any) -> Tensor:
        if generator is None:
            return drawn(*shape, **options)
        with unset_fake_temporarily():
            values = drawn(*shape, generator=generator, **options).flatten().tolist()
        return [numbers(value) for value in values] if shape != ((),) else numbers(values[0])  # type: ignore[return-value]

    def randint(*bounds: Any, generator: torch.Generator | None = None, **options: Any) -> Tensor:
        if generator is None:
            return integers(*bounds, **options)
        with unset_fake_temporarily():
            value = int(integers(*bounds, generator=generator, **options))
        return numbers(value)

    def tensor(values: Any, *, device: Any = None, **options: Any) -> Tensor:
        made = numbers(values, **options)
        # torch would copy the numbers to the device for real.
        return made if device is None else torch.empty(made.shape, dtype=made.dtype, device=device)

    shapes = ShapeEnv(allow_scalar_outputs=False) if reads else None
    with (
        FakeTensorMode(allow_non_fake_inputs=False, shape_env=shapes),
        patch.object(torch, "rand", rand),
        patch.object(torch, "randint", randint),
        patch.object(torch, "tensor", tensor if reads else numbers),
    ):
        yield


def moved(model: M) -> M:
    """The model with its parameters and buffers on the GPU (``Module.to`` cannot exchange fake tensors)."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(_like(parameter), parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = _like(buffer)
    return model


def _like(tensor: Tensor) -> Tensor:
    # Not empty_like: torch keeps the values of tensors made from numbers and would run the operator for real.
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=GPU)
