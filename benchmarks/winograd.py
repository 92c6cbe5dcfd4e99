"""How much faster is a 3x3 convolution in tiles than the same packed convolution computed directly? In one run.

    python benchmarks/winograd.py                                   (layers of the models here; a minute on two idle cores)
    python benchmarks/winograd.py --layers 1x256x256x16,2x64x64x64

A layer is images x channels in x channels out x side. Smallest of the repetitions, in turn; the error is the root mean
square difference to float64 over the root mean square of the output.
"""

from __future__ import annotations

import time

import click
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.allocator import keep_freed_memory
from harness.modeling.packed_layers import PackedConv
from harness.modeling.winograd import WinogradConv

LAYERS = "1x256x256x16,2x256x256x16,1x512x768x16,1x128x128x32,1x64x64x64,1x128x128x64,1x1024x512x32,1x128x64x256"


@torch.inference_mode()
def measure(layer: tuple[int, int, int, int], dtype: torch.dtype, repeats: int) -> None:
    """Print one line."""
    images, inputs, outputs, side = layer
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    x = torch.randn(images, inputs, side, side).relu()
    given = x.to(dtype).contiguous(memory_format=torch.channels_last)
    forms = {"direct": PackedConv(conv, "none", dtype), "tiles": WinogradConv(conv, "none", dtype)}
    expected = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)  # type: ignore[union-attr]

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
        f"{'x'.join(map(str, layer)):>16} {str(dtype).removeprefix('torch.'):>8}  direct {1e3 * best['direct']:7.2f} ms  "
        f"tiles {1e3 * best['tiles']:7.2f} ms  {best['direct'] / best['tiles']:5.2f}x  "
        f"error {errors['direct']:.1e} {errors['tiles']:.1e}",
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
        images, inputs, outputs, side = map(int, text.split("x"))
        for dtype in (torch.float32, torch.bfloat16):
            measure((images, inputs, outputs, side), dtype, repeats)


if __name__ == "__main__":
    main()
