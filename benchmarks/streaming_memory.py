"""Does a stream need more memory the longer it gets? Peak memory after few and after many frames.

    python benchmarks/streaming_memory.py                        (paper size, 256 px, 10 and 300 frames; half an hour)
    python benchmarks/streaming_memory.py --size small --models unet,xmem,stm

Each model has a process of its own; its peaks are those of one stream (weights + rise of resident memory, see
``harness.profiling.memory.streaming_peaks``). Expected: at most 20 MB more for GDKVM and the per-frame models, a bound for XMem
(working memory of ten frames and a long-term memory of 10,000 elements), a straight line for STM, by its method: one
frame in five is kept for good, which is ``state_mb`` more per frame. ``state_mb`` are the tensors that the stream holds
at its end.
"""

from __future__ import annotations

import multiprocessing
from typing import Any

import click
import torch

from harness import config
from harness.engines import make_engine
from harness.modeling import VideoSegmenter
from harness.profiling.memory import MIB, held_bytes, streaming_peaks
from harness.profiling.settings import ProfileSettings, apply
from harness.registry import MODELS, load_plugins


@torch.inference_mode()
def state_after(model: VideoSegmenter, length: int, image_size: int) -> Any:
    """State of a stream of noise."""
    generator = torch.Generator().manual_seed(0)
    state = None
    for _ in range(length):
        frame = torch.rand(1, 1, image_size, image_size, generator=generator)
        state = model.begin(frame) if state is None else state
        _, state = model.step(frame, state)
    return state


def measured(task: tuple[str, str, str, list[int], int, int]) -> list[tuple[float, float]]:
    """Peak memory and the state's size in MiB after each number of frames, in the process that calls it."""
    name, size, engine, lengths, image_size, threads = task
    settings = ProfileSettings(image_size=image_size, device="cpu", threads=threads).resolved()
    apply(settings)
    load_plugins()
    torch.manual_seed(0)
    build = config.load("models", name).sizes[size].to_dict() | {"num_structures": 1}
    example = torch.rand(1, 2, 1, image_size, image_size)
    model = make_engine(engine)(MODELS.build(build).eval(), example)
    state_after(model, 2, image_size)
    peaks = streaming_peaks(model, settings, lengths)
    has_state = name in ("stm", "xmem", "gdkvm")
    states = [held_bytes(state_after(model, length, image_size)) / MIB if has_state else 0.0 for length in lengths]
    return list(zip(peaks, states, strict=True))


@click.command(help=__doc__)
@click.option("--models", default="gdkvm,unet,unet_nnu,transunet,xmem,stm")
@click.option("--size", default="paper")
@click.option("--engine", default="native", show_default=True)
@click.option("--image-size", default=256)
@click.option("--lengths", default="10,300", help="Frames of the streams.")
@click.option("--threads", default=2)
def main(models: str, size: str, engine: str, image_size: int, lengths: str, threads: int) -> None:
    print(f"{size}, {image_size} px, engine {engine} in fp32, MiB; torch {torch.__version__}")
    context = multiprocessing.get_context("spawn")
    for name in models.split(","):
        frames = sorted(map(int, lengths.split(",")))
        with context.Pool(1) as pool:
            rows = pool.apply(measured, ((name, size, engine, frames, image_size, threads),))
        text = "  ".join(
            f"T={length}: peak {peak:7.1f}, state {state:6.1f}"
            for length, (peak, state) in zip(frames, rows, strict=True)
        )
        print(f"{name:10} {text}  more: {rows[-1][0] - rows[0][0]:+.1f}", flush=True)


if __name__ == "__main__":
    main()
