"""What perturbing a clip costs beside the forward pass of the small U-Net on it, on CPU, in one run.

    python benchmarks/perturbations.py                    (10 frames of 256 px; about a minute on two idle cores)
    python benchmarks/perturbations.py --rounds 3 --threads 1 --clock cpu

In each round the U-Net and every perturbation take turns, so that other work on the machine touches all alike; the ratio is
the median over rounds of perturbing time by forward time. The sector is found once per clip in a sweep: it has a line of
its own. ``--clock cpu`` counts processor time, which a busy machine disturbs less. Exit code 1 when any ratio is above 1.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import click
import torch
from torch import Tensor

from harness import config
from harness.perturbations.sector import find_sector
from harness.registry import MODELS, PERTURBATIONS, list_perturbations, load_plugins

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
FORWARD = "U-Net (small), forward"


def fan(frames: int, size: int) -> Tensor:
    """A textured sector [T, H, W] in [0, 1]."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    distance, angle = torch.hypot(rows.float(), columns - size / 2), torch.atan2(columns - size / 2, rows + 1e-3)
    inside = (distance < size - 2) & (angle.abs() < 0.65)
    return torch.rand(frames, size, size, generator=torch.Generator().manual_seed(0)).clamp(0.05, 0.95) * inside


def candidates(clip: Tensor) -> dict[str, Callable[[], object]]:
    """What takes turns: the forward pass first, then everything that is held to it."""
    build = config.load("models", "unet").sizes["small"].to_dict() | {"num_structures": 1}
    model = MODELS.build(build).eval()
    sector = find_sector(clip)
    perturbing = {
        name: partial(PERTURBATIONS.build({"type": name}), clip, 5, "case", sector) for name in list_perturbations()
    }
    forward = partial(model, clip[None, :, None])
    return {FORWARD: forward, "finding the sector": partial(find_sector, clip), **perturbing}


@torch.inference_mode()
def measure(turns: dict[str, Callable[[], object]], rounds: int, now: Callable[[], float]) -> dict[str, list[float]]:
    """Milliseconds of each candidate in each round; a first round warms up and is dropped."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds + 1):
        for name, call in turns.items():
            start = now()
            call()
            times[name].append(1e3 * (now() - start))
    return {name: values[1:] for name, values in times.items()}


@click.command(help=__doc__)
@click.option("--image-size", default=256)
@click.option("--frames", default=10, help="T, frames of the clip.")
@click.option("--rounds", default=7)
@click.option("--threads", default=2)
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall")
def main(image_size: int, frames: int, rounds: int, threads: int, clock: str) -> None:
    load_plugins()
    torch.set_num_threads(threads)
    times = measure(candidates(fan(frames, image_size)), rounds, CLOCKS[clock])
    print(f"{frames} frames of {image_size} px, {threads} thread(s), {clock} clock, median of {rounds} rounds")
    worst = 0.0
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, times[FORWARD], strict=True))
        worst = max(worst, ratio if name != FORWARD else 0.0)
        print(f"{name:>24} {statistics.median(own):8.1f} ms  {ratio:6.3f} of the forward pass")
    sys.exit(1 if worst > 1 else 0)


if __name__ == "__main__":
    main()
