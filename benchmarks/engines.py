"""How much faster are the engines than eager, and than OpenVINO? All in one run, with the spread of the ratios.

    python benchmarks/engines.py                                           (GDKVM, paper size, 256 px: about four minutes)
    python benchmarks/engines.py --models unet,stm --engines eager,native,compile --precisions fp32
    python benchmarks/engines.py --run results/runs/phantom/gdkvm-small-... (trained weights instead of random ones)

Engines take turns, clip by clip, so that a busy machine slows all of them alike; a ratio is taken within one round. Printed
are the median over the rounds with its smallest and largest value, and the largest difference of the logits to eager
float32 as a part of the largest logit. Random weights exaggerate differences: an untrained XMem of paper size has
similarities that span 2e5, so that rounding moves them by more than they differ, and in bfloat16 reads other elements
altogether. ``--clock cpu`` counts processor time of all threads, which other work on the machine disturbs less.
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
from harness.engines import EngineError, make_engine, relative_difference
from harness.modeling import VideoSegmenter
from harness.registry import MODELS, load_plugins
from harness.segment.trained import find_trained

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def random_model(name: str, size: str) -> VideoSegmenter:
    """The model as it is before training."""
    torch.manual_seed(0)
    model: VideoSegmenter = MODELS.build(config.load("models", name).sizes[size].to_dict() | {"num_structures": 1})
    return model.eval()


def executed(
    model: VideoSegmenter, frames: Tensor, engines: list[str], precisions: list[str]
) -> dict[str, VideoSegmenter]:
    """The model by each engine in each precision, eager fp32 first; engines that cannot are named and left out."""
    forms: dict[str, VideoSegmenter] = {"eager fp32": model}
    for precision in precisions:
        for engine in engines:
            key = f"{engine} {precision}"
            if key in forms:
                continue
            try:
                forms[key] = make_engine(engine)(model, frames, precision=precision)
            except EngineError as error:
                print(f"  {key}: {error}", flush=True)
    return forms


def measure(
    forms: dict[str, VideoSegmenter], call: Callable[[VideoSegmenter], Tensor], rounds: int, clock: str
) -> dict[str, list[float]]:
    """Milliseconds of one call of each form in each round; one round more goes before and is dropped."""
    now = CLOCKS[clock]
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds + 1):
        for name, form in forms.items():
            start = now()
            call(form)
            times[name].append(1e3 * (now() - start))
    return {name: values[1:] for name, values in times.items()}


def stream(model: VideoSegmenter, frames: Tensor) -> Tensor:
    """Logits [1, T, K+1, H, W], frame by frame."""
    state, logits = model.begin(frames[:, 0]), []
    for frame in frames.unbind(1):
        out, state = model.step(frame, state)
        logits.append(out)
    return torch.stack(logits, 1)


def ratio(times: dict[str, list[float]], base: str, name: str) -> str:
    """How many times as fast as ``base``: median [smallest-largest] over the rounds."""
    if base not in times:
        return ""
    ratios = [slow / fast for slow, fast in zip(times[base], times[name], strict=True)]
    return f"{statistics.median(ratios):.2f}x [{min(ratios):.2f}-{max(ratios):.2f}]"


@torch.inference_mode()
def report(name: str, forms: dict[str, VideoSegmenter], frames: Tensor, rounds: int, clock: str, whole: bool) -> None:
    """One line per form."""

    def call(form: VideoSegmenter) -> Tensor:
        logits: Tensor = form(frames) if whole else stream(form, frames)
        return logits

    expected = call(forms["eager fp32"])
    times = measure(forms, call, rounds, clock)
    for form, values in times.items():
        per_frame = statistics.median(values) / frames.shape[1]
        against = f"openvino {form.split()[1]}"
        print(
            f"{name:>10} {form:>15} {per_frame:8.1f} ms/frame   eager {ratio(times, 'eager fp32', form):>20}   "
            f"openvino {ratio(times, against, form) or '-':>20}   difference {relative_difference(call(forms[form]), expected):.1e}",
            flush=True,
        )


@click.command(help=__doc__)
@click.option("--models", default="gdkvm", show_default=True, help="Names of configs, separated by commas.")
@click.option("--run", "runs", multiple=True, help="Folder of a finished run, instead of --models; may be repeated.")
@click.option("--engines", default="eager,native,openvino", show_default=True)
@click.option("--precisions", default="fp32,bf16", show_default=True)
@click.option("--size", default="paper", show_default=True)
@click.option("--image-size", default=256, show_default=True)
@click.option("--frames", default=10, show_default=True, help="T, frames per clip.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", show_default=True)
@click.option("--clip", "whole", is_flag=True, help="The whole-clip call instead of frame by frame.")
def main(
    models: str, runs: tuple[str, ...], engines: str, precisions: str, size: str, image_size: int, frames: int,
    rounds: int, threads: int, clock: str, whole: bool,
) -> None:  # fmt: skip
    keep_freed_memory()
    load_plugins()
    torch.set_num_threads(threads)
    clip = torch.rand(1, frames, 1, image_size, image_size, generator=torch.Generator().manual_seed(0))
    trained = {Path(run).name: cast(VideoSegmenter, find_trained(None, ".", run).model) for run in runs}
    what = "trained" if runs else size
    print(
        f"{what}, {image_size} px, T = {frames}, {threads} thread(s), {clock} clock, {rounds} rounds, torch {torch.__version__}"
    )
    for name in trained or models.split(","):
        model = trained[name] if trained else random_model(name, size)
        report(name, executed(model, clip, engines.split(","), precisions.split(",")), clip, rounds, clock, whole)


if __name__ == "__main__":
    main()
