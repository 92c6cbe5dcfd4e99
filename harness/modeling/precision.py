"""In which type a network computes, and on which device it can."""

from __future__ import annotations

import torch
from torch import nn


def weight_dtype(module: nn.Module) -> torch.dtype:
    """Type of a module's weights: that of its first parameter, or of its first buffer where it has no parameters.

    Example:
        >>> weight_dtype(nn.Linear(1, 1).bfloat16())
        torch.bfloat16
    """
    # Networks that an engine has packed hold all their weights as buffers.
    parameter = next(module.parameters(), None)
    return next(module.buffers()).dtype if parameter is None else parameter.dtype


def allow_tf32(allowed: bool) -> None:
    """Whether CUDA may round the factors of float32 products and convolutions to TF32 (10 bits instead of 23).

    torch allows it for convolutions and not for products unless told otherwise, so that "fp32" would be a mixture. Training
    and evaluation say no; a profile says what its settings say, and every profile row and run record holds the answer.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def missing_device(device: torch.device) -> str | None:
    """Why a device cannot be used on this machine, to stand in parentheses; None where it can.

    An old driver, a torch without CUDA and a number too high look alike from outside: no device.
    """
    if device.type != "cuda":
        return None
    if not torch.cuda.is_available():
        return _why_no_cuda()
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        return f"there {'is one' if count == 1 else f'are {count}'}, counted from cuda:0"
    return None


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        # torch's first sentence names the driver's version where that is the reason
        sentence = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"torch is built for CUDA {torch.version.cuda}: {sentence.partition('. ')[0].rstrip('.')}"
    return "no device is visible; look at nvidia-smi and CUDA_VISIBLE_DEVICES"
