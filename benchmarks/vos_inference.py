"""Streaming inference of STM and XMem: the plain eager model against its inference copies, in one run.

    python benchmarks/vos_inference.py                          (paper size, 256 px, T = 10; under a minute on two idle cores)
    python benchmarks/vos_inference.py --frames 32 --threads 1 --clock cpu

The variants take turns, clip by clip, so that other work on the machine touches all alike; the ratio is the median over
rounds of eager time by variant time. Frame 0 is segmented too (protocol ``auto``): one segmentation and one memory pass
more per clip than with a given mask. ``--clock cpu`` counts processor time, which a busy machine disturbs less.
The published implementations need 163 (STM) and 136 ms (XMem) per frame on two idle cores.

The weights are random, and a difference of logits must be read with that in mind. An untrained XMem of paper size has
similarities that span 2e5 to 4e5 (a trained small one: 3e3), so that rounding its keys to float32 moves them by 0.1
on average and by 1.5 at most, and folding batch norm, which is exact but for rounding, reweighs the nearest elements:
differences of some 1e-3 are the conditioning of such a network and not of the arithmetic (reading the whole memory
instead of its top 30 gives the same differences). In bfloat16 it reads other elements altogether. ``--run`` takes the
weights of a finished run instead; there fp32 agrees to 1e-4 and bf16 to 0.1.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import click
import torch
from torch import Tensor

from harness import config
from harness.allocator import keep_freed_memory
from harness.modeling import VideoSegmenter
from harness.registry import MODELS, load_plugins
from harness.segment.trained import find_trained

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def random_model(name: str, size: str) -> VideoSegmenter:
    """The model as it is before training."""
    torch.manual_seed(0)
    return MODELS.build(config.load("models", name).sizes[size].to_dict() | {"num_structures": 1}).eval()


def variants(model: VideoSegmenter) -> dict[str, VideoSegmenter]:
    """The eager model and its inference copies."""
    copies = {p: model.compile_for_inference(precision=p) for p in ("fp32", "bf16")}
    return {"eager": model, **copies}


@torch.inference_mode()
def stream(model: VideoSegmenter, frames: Tensor) -> Tensor:
    """Logits [1, T, K+1, H, W], frame by frame."""
    state = model.begin(frames[:, 0])
    logits = []
    for frame in frames.unbind(1):
        out, state = model.step(frame, state)
        logits.append(out)
    return torch.stack(logits, 1)


def measure(models: dict[str, VideoSegmenter], frames: Tensor, rounds: int, clock: str) -> dict[str, list[float]]:
    """Milliseconds per frame of each variant in each round; a first round warms up and is dropped."""
    now = CLOCKS[clock]
    times: dict[str, list[float]] = {variant: [] for variant in models}
    for _ in range(rounds + 1):
        for variant, model in models.items():
            start = now()
            stream(model, frames)
            times[variant].append(1e3 * (now() - start) / frames.shape[1])
    return {variant: values[1:] for variant, values in times.items()}


@click.command(help=__doc__)
@click.option("--models", default="stm,xmem", help="Names of configs/models, separated by commas.")
@click.option("--size", default="paper")
@click.option("--image-size", default=256)
@click.option("--frames", default=10, help="T, frames per clip.")
@click.option("--rounds", default=3)
@click.option("--threads", default=2)
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall")
@click.option("--run", "runs", multiple=True, help="Folder of a finished run, instead of --models; may be repeated.")
def main(
    models: str, size: str, image_size: int, frames: int, rounds: int, threads: int, clock: str, runs: tuple[str, ...]
) -> None:
    keep_freed_memory()
    load_plugins()
    torch.set_num_threads(threads)
    clip = torch.rand(1, frames, 1, image_size, image_size, generator=torch.Generator().manual_seed(0))
    print(
        f"{'trained' if runs else size}, {image_size} px, T = {frames}, {threads} thread(s), {clock} clock, median of {rounds} rounds"
    )
    trained = {Path(run).name: cast(VideoSegmenter, find_trained(None, ".", run).model) for run in runs}
    for name, model in (trained or {name: random_model(name, size) for name in models.split(",")}).items():
        built = variants(model)
        reference = stream(built["eager"], clip)
        for variant, times in (measured := measure(built, clip, rounds, clock)).items():
            ratio = statistics.median(e / t for e, t in zip(measured["eager"], times, strict=True))
            gap = (stream(built[variant], clip) - reference).abs().max()
            print(f"{name:>6} {variant:>6} {statistics.median(times):8.1f} ms  x{ratio:5.2f}  max |Δlogit| {gap:.1e}")


if __name__ == "__main__":
    main()
