"""Device and precision: from the recipe's words to what torch computes with."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from harness.errors import ConfigError
from harness.modeling.precision import missing_device

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(name: str) -> torch.device:
    """``auto`` → CUDA where there is one, else CPU; with several processes each takes its own CUDA device.

    Raises:
        ConfigError: CUDA is asked for and absent, or the name is no device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"The device must be auto, cpu, cuda or cuda:N, got '{name}'.") from None
    reason = missing_device(device)
    if reason is not None and not torch.cuda.is_available():
        raise ConfigError(
            f"The device '{name}' is asked for but torch finds no CUDA device ({reason}); use auto or cpu."
        )
    if reason is not None:
        raise ConfigError(f"There is no CUDA device '{name}': {reason}.")
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """``auto`` → bf16 where the device computes it natively, else fp32; other names stay."""
    if name != "auto":
        return name
    return "bf16" if _native_bf16(device) else "fp32"


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        # 8.0 is Ampere; Turing accepts bf16 and emulates it, slower than fp32.
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Private names of torch that have come and gone between releases: absent means no.
    return any(check() for name in _CPU_CHECKS if (check := getattr(torch.cpu, name, None)) is not None)


_CPU_CHECKS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """The autocast context of a resolved precision; nothing at all for fp32."""
    dtype = DTYPES[precision]
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)
