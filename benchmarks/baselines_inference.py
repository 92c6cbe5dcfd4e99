"""How much faster is a baseline's inference path than the plain eager model? Ratios, measured in one run.

    python benchmarks/baselines_inference.py --models unet,transunet --size paper --image-size 256 --frames 10

Variants take turns, so that a busy machine slows all of them alike. Two clocks: ``wall`` (what a user waits,
two threads by default) and ``cpu`` (seconds of processor time, which other programs disturb less). The
smallest of the repetitions counts. The logits' largest difference to the eager model stands beside each ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from harness import config
from harness.allocator import keep_freed_memory
from harness.modeling import VideoSegmenter
from harness.registry import MODELS, load_plugins


def main() -> None:
    options = _options()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    load_plugins()
    print(f"{options.frames} frames of {options.image_size} px, {options.threads} threads, torch {torch.__version__}")
    print(
        f"{'model':12} {'variant':8} {'wall ms':>8} {'ratio':>6} {'cpu ms':>8} {'ratio':>6} {'max |d logit|':>14} {'labels':>7}"
    )
    for name in options.models.split(","):
        _report(name, options)


def _report(name: str, options: argparse.Namespace) -> None:
    torch.manual_seed(0)
    model = MODELS.build(config.load("models", name).sizes[options.size].to_dict()).eval()
    variants = {"eager": model, "fp32": model.compile_for_inference(), "bf16": model.compile_for_inference("bf16")}
    frames = torch.rand(1, options.frames, 1, options.image_size, options.image_size)
    calls = {key: _streaming(m, frames) if options.streaming else _clip(m, frames) for key, m in variants.items()}
    with torch.inference_mode():
        logits = {key: call() for key, call in calls.items()}  # also the warm-up
        times: dict[str, list[tuple[float, float]]] = {key: [] for key in calls}
        for _ in range(options.repeats):
            for key, call in calls.items():
                times[key].append(_timed(call))
    best = {
        key: tuple(1000 * min(t) / options.frames for t in zip(*values, strict=True)) for key, values in times.items()
    }
    for key, (wall, cpu) in best.items():
        difference = float((logits[key] - logits["eager"]).abs().max())
        same = float((logits[key].argmax(2) == logits["eager"].argmax(2)).float().mean())
        ratios = best["eager"][0] / wall, best["eager"][1] / cpu
        print(
            f"{name:12} {key:8} {wall:8.1f} {ratios[0]:6.2f} {cpu:8.1f} {ratios[1]:6.2f} {difference:14.2e} {same:7.2%}"
        )


def _clip(model: VideoSegmenter, frames: Tensor) -> Callable[[], Tensor]:
    return lambda: model(frames)


def _streaming(model: VideoSegmenter, frames: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        state = model.begin(frames[:, 0])
        logits = []
        for frame in frames.unbind(1):
            step, state = model.step(frame, state)
            logits.append(step)
        return torch.stack(logits, 1)

    return run


def _timed(call: Callable[[], Tensor]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="unet,transunet", help="names of configs, separated by commas")
    parser.add_argument("--size", default="paper")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--streaming", action="store_true", help="frame by frame instead of the clip call")
    return parser.parse_args()


if __name__ == "__main__":
    main()
