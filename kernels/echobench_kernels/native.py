"""Kernels in C for inference on a CPU (``csrc``), called with tensors.

They are compiled when the package is installed, where there is a C compiler; ``compiled()`` tells. All work on float32 and
bfloat16 tensors in memory of the CPU, images in channels-last layout, and sum in float32, with torch's number of threads.
"""

from __future__ import annotations

import functools
import warnings
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

try:
    import echobench_kernels._native as _native
except ImportError:  # installed where there is no C compiler
    _native = None  # type: ignore[assignment]

Activation = Literal["none", "relu", "gelu"]
ACTIVATIONS = {"none": 0, "relu": 1, "gelu": 2}
LANES, PANEL, BLOCK = 16, 32, 16
"""Channels that are computed at a time, columns of a panel, and rows that are multiplied together; ``csrc/lanes.h`` has the same."""
BAND_BYTES = 4 * 2**20
"""Size of the transformed tiles of a convolution that are computed in one go: more fall out of the processor's caches."""


@functools.cache
def compiled() -> bool:
    """Whether the kernels were compiled; warns, once, where they were not."""
    if _native is None:
        warnings.warn(
            "echobench-kernels was installed without a C compiler: the engine native takes longer (GDKVM by half); "
            "install gcc and run `pip install ./kernels` again.",
            stacklevel=2,
        )
    return _native is not None


def worthwhile() -> bool:
    """Whether this processor has the registers that the kernels are written for: 32 of 64 bytes (AVX-512).

    With fewer, the compiler moves the sums through memory: on a processor with AVX2 alone a product of rows took thirty times
    as long as oneDNN's, and a convolution in tiles ten times.
    """
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def used() -> bool:
    """Whether layers are computed by the kernels here, and not by oneDNN."""
    return worthwhile() and compiled()


def takes(weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether a layer with this weight, computed in ``dtype``, can use the kernels."""
    return weight.device.type == "cpu" and dtype in (torch.float32, torch.bfloat16) and used()


def in_rows(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Images [N, C, H, W] of a type, channels-last and contiguous: the same tensor where they are that already."""
    return images.to(dtype).contiguous(memory_format=torch.channels_last)


def in_panels(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Matrices [..., in, out], ``out`` cut into panels, in the order in which rows are multiplied with them.

    Returns:
        [panels, ..., in, PANEL] in float32, [panels, ..., in / 2, PANEL, 2] in bfloat16; columns of zeros fill the last panel.
    """
    *more, inputs, outputs = matrix.shape
    together = 4 // dtype.itemsize
    padded = F.pad(matrix.to(dtype), (0, -outputs % PANEL))
    cut = padded.view(*more, inputs // together, together, -1, PANEL)
    return cut.movedim(-2, 0).transpose(-1, -2).contiguous().squeeze(-1)


def multiply(
    x: Tensor, panels: Tensor, bias: Tensor, residual: Tensor | None, outputs: int, activation: Activation = "none"
) -> Tensor:
    """activation(x W + bias + residual).

    Args:
        x: contiguous [..., in].
        panels: W [in, out] after ``in_panels``.
        bias: [out], filled with zeros to a multiple of ``PANEL``.
        residual: of the output's shape, contiguous.
        outputs: columns of W.

    Returns:
        [..., out], of the type of x.

    Raises:
        ValueError: weights, or a residual, of another size; a tensor that is not on the CPU.
    """
    inputs = x.shape[-1]
    _check(panels, inputs * (outputs + -outputs % PANEL), "weights", inputs, outputs)
    out = torch.empty((*x.shape[:-1], outputs), dtype=x.dtype)
    _check(residual, out.numel(), "residual", inputs, outputs)
    _native.multiply(
        _address(x), _address(panels), _address(bias), _address(residual), out.data_ptr(), x.numel() // inputs, inputs, outputs,
        ACTIVATIONS[activation], x.dtype is torch.bfloat16, torch.get_num_threads(),
    )  # fmt: skip
    return out


def convolve(
    images: Tensor,
    filters: Tensor,
    bias: Tensor,
    residual: Tensor | None = None,
    *,
    rectify: bool = False,
    activation: Activation = "none",
) -> Tensor:
    """activation(3x3 convolution of images + bias + residual), with zeros around the images.

    Args:
        images: [N, in, H, W].
        filters: of ``winograd.tiled_filters``.
        bias: [out].
        residual: of the output's shape.
        rectify: the images go through a ReLU first.

    Raises:
        ValueError: channels that do not fill the lanes; else as ``multiply``.
    """
    n, inputs, height, width = images.shape
    outputs = len(bias)
    _check(filters, 36 * inputs * outputs, "weights", inputs, outputs)
    out = torch.empty((n, outputs, height, width), dtype=images.dtype, memory_format=torch.channels_last)
    _check(residual, out.numel(), "residual", inputs, outputs)
    # whole blocks of rows, so that no product is computed with half of its rows idle
    band = max(1, BAND_BYTES // (36 * inputs * images.dtype.itemsize * BLOCK)) * BLOCK
    _native.convolve(
        _address(images), _address(filters), _address(bias), _address(residual), out.data_ptr(),
        n, height, width, inputs, outputs, rectify, ACTIVATIONS[activation], band, images.dtype is torch.bfloat16,
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def gate_channels(images: Tensor, branch: Tensor, taps: Tensor) -> Tensor:
    """images + σ(taps ⋆ mean over the pixels of branch) · branch, into the memory of ``branch`` if that is channels-last (ECA-Net, Wang 2020).

    Args:
        images, branch: [N, C, H, W].
        taps: float32, an odd number of them; they slide over the channels, with zeros around.
    """
    images, branch = in_rows(images, branch.dtype), in_rows(branch, branch.dtype)
    n, channels, height, width = branch.shape
    _check(images, branch.numel(), "images", channels, channels)
    _native.gate_channels(
        _address(images), _address(branch), _address(taps), branch.data_ptr(), n, height * width, channels, taps.numel(),
        branch.dtype is torch.bfloat16, torch.get_num_threads(),
    )  # fmt: skip
    return branch


def update_hidden(maps: Tensor, hidden: Tensor) -> Tensor:
    """σ(f)·h·(1 − σ(u)) + σ(u)·tanh(n) of maps [N, 3 C, H, W] = (f, u, n) and hidden h [N, C, H, W]; hidden ones are float32."""
    maps, hidden = in_rows(maps, maps.dtype), in_rows(hidden, torch.float32)
    _check(maps, 3 * hidden.numel(), "maps", 3 * hidden.shape[1], hidden.shape[1])
    out = torch.empty_like(hidden)
    _native.update_hidden(
        _address(maps), _address(hidden), out.data_ptr(), hidden.numel() // hidden.shape[1], hidden.shape[1],
        maps.dtype is torch.bfloat16, torch.get_num_threads(),
    )  # fmt: skip
    return out


def _check(tensor: Tensor | None, size: int, name: str, inputs: int, outputs: int) -> None:
    """Kernels do not look where they read."""
    if tensor is not None and tensor.numel() != size:
        raise ValueError(
            f"the {name} {tuple(tensor.shape)} do not fit {inputs} channels in, {outputs} out: {size} numbers were expected"
        )


def _address(tensor: Tensor | None) -> int:
    if tensor is None:
        return 0
    if not tensor.is_cpu:
        raise ValueError(
            f"compiled for inference on a CPU, got a tensor on {tensor.device}: compile the model again there"
        )
    return tensor.data_ptr()
