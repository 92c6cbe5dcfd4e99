"""How much faster than oneDNN are the kernels in C (``echobench_kernels/native.py``)? Layer by layer, in one run.

    python kernels/benchmarks/layers.py                                   (layers of the models here; a minute on two idle cores)
    python kernels/benchmarks/layers.py --layers 1x256x256x16,256x256x256

Four numbers are a 3x3 convolution in tiles: images x channels in x channels out x side. Three are a linear layer, or a 1x1
convolution: rows x channels in x channels out. Both against the same packed layer computed by oneDNN. Smallest of the
repetitions, in turn; the error is the root mean square difference to float64 over the root mean square of the output.
"""

from __future__ import annotations

import time
from unittest.mock import patch

import click
import torch
import torch.nn.functional as F
from echobench_kernels import native
from echobench_kernels.packed_layers import Packed, PackedConv, PackedLinear
from echobench_kernels.winograd import WinogradConv
from torch import Tensor, nn

from harness.allocator import keep_freed_memory

LAYERS = (
    "1x256x256x16,2x256x256x16,1x512x768x16,1x128x128x32,1x64x64x64,1x128x128x64,1x1024x512x32,1x128x64x256,1x32x32x128,"
    "16x256x256,16x2048x256,256x256x256,512x1024x256,2048x128x512,8192x64x256"
)


def convolution(
    images: int, inputs: int, outputs: int, side: int, dtype: torch.dtype
) -> tuple[Packed, Packed, Tensor, Tensor]:
    """The layer as oneDNN computes it and as we do, an input, and the output in float64."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    x = torch.randn(images, inputs, side, side).relu()
    expected = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)  # type: ignore[union-attr]
    given = x.to(dtype).contiguous(memory_format=torch.channels_last)
    return PackedConv(conv, "none", dtype), WinogradConv(conv, "none", dtype), given, expected


def linear(rows: int, inputs: int, outputs: int, dtype: torch.dtype) -> tuple[Packed, Packed, Tensor, Tensor]:
    """The same of a linear layer."""
    layer, x = nn.Linear(inputs, outputs), torch.randn(rows, inputs).relu()
    with patch.object(native, "used", lambda: False):
        plain = PackedLinear(layer, "none", dtype)
    expected = F.linear(x.double(), layer.weight.double(), layer.bias.double())
    return plain, PackedLinear(layer, "none", dtype), x.to(dtype), expected


@torch.inference_mode()
def measure(sizes: list[int], dtype: torch.dtype, repeats: int) -> None:
    """Print one line."""
    torch.manual_seed(0)
    build = convolution if len(sizes) == 4 else linear
    plain, own, given, expected = build(*sizes, dtype)  # type: ignore[operator]
    forms = {"oneDNN": plain, "own": own}

    def error(out: Tensor) -> float:
        return float((out.double() - expected).square().mean().sqrt() / expected.square().mean().sqrt())

    errors = {name: error(form(given)) for name, form in forms.items()}
    best = dict.fromkeys(forms, float("inf"))
    for _ in range(repeats):
        for name, form in forms.items():
            start = time.perf_counter()
            form(given)
            best[name] = min(best[name], time.perf_counter() - start)
    print(
        f"{'x'.join(map(str, sizes)):>16} {str(dtype).removeprefix('torch.'):>8}  oneDNN {1e3 * best['oneDNN']:7.3f} ms  "
        f"own {1e3 * best['own']:7.3f} ms  {best['oneDNN'] / best['own']:5.2f}x  "
        f"error {errors['oneDNN']:.1e} {errors['own']:.1e}",
        flush=True,
    )


@click.command(help=__doc__)
@click.option("--layers", default=LAYERS, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--repeats", default=30, show_default=True)
def main(layers: str, threads: int, repeats: int) -> None:
    keep_freed_memory()
    torch.set_num_threads(threads)
    for text in layers.split(","):
        for dtype in (torch.float32, torch.bfloat16):
            measure([int(number) for number in text.split("x")], dtype, repeats)


if __name__ == "__main__":
    main()
