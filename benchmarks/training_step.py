"""Training speed of every model, and what the harness costs on top of a bare loop.

    python benchmarks/training_step.py                          (small models, recipe phantom_small, about 3 minutes)
    python benchmarks/training_step.py --size paper --recipe paper --models unet,gdkvm

Both loops run interleaved in one process, step by step, on the same batches, with the same model, loss, autocast,
clipping and fused optimiser; the overhead is the median over steps of the ratio of neighbours, so that other work
on the machine touches both alike. Beside the wall time stands the processor time, which waiting for a core does not
enter (on one thread it is the better of the two on a busy machine; loader workers and the GPU are not in it). The
bare loop is what one would write by hand: no seeding per iteration, no check for NaN, no schedule, no log, no
deterministic kernels. Frames are noise: speed does not depend on what they show.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch

from harness import config
from harness.allocator import keep_freed_memory
from harness.clip import Case, Clip
from harness.data import PreparedCache, prepare
from harness.data.dataset import EchoDataset
from harness.data.findings import Finding
from harness.data.sampling import ClipDataset, IterationBatches, collate
from harness.training import Recipe, TrainingJob, Watcher, engine, train
from harness.training.device import autocast, resolve_device, resolve_precision
from harness.training.loaders import augmentation
from harness.training.parameters import build_optimizer
from harness.training.processes import Processes

MODELS = "gdkvm,unet,transunet,stm,xmem"


class Noise(EchoDataset):
    """Clips of twelve frames of noise; the first and the last have a mask. Nothing is read from the root."""

    name = "noise"
    title = "noise"
    size = 128

    @property
    def mark(self) -> None:
        return None

    def layout(self) -> list[Finding]:
        return []

    def sources(self) -> list[Path]:
        return []

    def cases(self, split: str) -> list[Case]:
        count = 24 if split == "train" else 4
        return [Case(dataset="noise", split=split, patient=f"{split}{k}", view="4CH") for k in range(count)]

    def load(self, case: Case) -> Clip:
        rng = np.random.default_rng(sum(map(ord, case.name)))
        frames = rng.integers(0, 255, (12, self.size, self.size), dtype=np.uint8)
        labelled = np.zeros(12, bool)
        labelled[[0, -1]] = True
        masks = ((frames > 127) & labelled[:, None, None]).astype(np.uint8)
        nothing = np.zeros(12, bool)
        return Clip(case=case, frames=frames, masks=masks, labelled=labelled, interpolated=nothing, spacing_mm=None)


def noise_cache(image_size: int, folder: Path) -> PreparedCache:
    """A prepared cache of noise at ``image_size``."""
    dataset = Noise(folder, views=("4CH",))
    dataset.size = image_size
    return prepare(dataset, image_size=image_size, cache_root=folder, workers=0, progress=False)


class BareLoop:
    """A training loop as one writes it by hand."""

    def __init__(self, job: TrainingJob, cache: PreparedCache) -> None:
        recipe, self.recipe = job.recipe, job.recipe
        self.device = resolve_device(recipe.device)
        self.precision = resolve_precision(recipe.precision, self.device)
        self.model = engine._segmentation(job, Processes(device=self.device, rank=0, world=1)).train()
        self.optimizer = build_optimizer(self.model.model, recipe.optimizer)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        dataset = ClipDataset(
            cache.split("train"),
            clip_length=recipe.clip_length,
            structures=job.structures,
            transforms=augmentation(recipe.augment),
        )
        batches = IterationBatches(len(dataset), recipe.batch_size, job.seed)
        self.batches: Iterator[Any] = iter(
            torch.utils.data.DataLoader(
                dataset, batch_sampler=batches, num_workers=recipe.workers, collate_fn=collate,
                pin_memory=self.device.type == "cuda",
            )
        )  # fmt: skip

    def step(self) -> None:
        data = self.model.data_preprocessor(next(self.batches))
        with autocast(self.device, self.precision):
            loss = self.model(**data)["loss"]
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.gradient_clip or float("inf"))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()


class Seconds(NamedTuple):
    """Wall time and processor time of this process (all threads)."""

    wall: float = 0.0
    cpu: float = 0.0

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)


class Interleave(Watcher):
    """After each step of the harness takes one of the bare loop, and times both."""

    priority = "VERY_LOW"

    def __init__(self, bare: BareLoop) -> None:
        self.bare = bare
        self.harness: list[Seconds] = []
        self.alone: list[Seconds] = []
        self.clock = Seconds()

    def _now(self) -> Seconds:
        if self.bare.device.type == "cuda":
            torch.cuda.synchronize()
        return Seconds(wall=time.perf_counter(), cpu=time.process_time())

    def before_training(self, runner: Any) -> None:
        self.clock = self._now()

    def after_step(self, runner: Any) -> None:
        self.harness.append(self._now() - self.clock)
        with _undetermined():
            began = self._now()
            self.bare.step()
            self.clock = self._now()
        self.alone.append(self.clock - began)


@contextlib.contextmanager
def _undetermined() -> Iterator[None]:
    """The bare loop leaves torch's kernels as torch has them."""
    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)


def measure(build: dict[str, Any], recipe: Recipe, warmup: int) -> dict[str, float]:
    """Median milliseconds per step of both loops, frames per second, and the overhead in percent."""
    with tempfile.TemporaryDirectory() as folder:
        cache = noise_cache(recipe.image_size, Path(folder))
        job = TrainingJob(
            model_build=build, recipe=recipe, seed=0, first_frame="auto", structures="lv", work_dir=Path(folder)
        )
        bare = BareLoop(job, cache)
        hook = Interleave(bare)
        train(job, cache, progress=False, hooks=[hook])
    pairs = list(zip(hook.harness, hook.alone, strict=True))[warmup:]
    step_s = statistics.median(harness.wall for harness, _ in pairs)
    return {
        "parameters_m": sum(p.numel() for p in bare.model.parameters()) / 1e6,
        "harness_ms": 1e3 * step_s,
        "bare_ms": 1e3 * statistics.median(alone.wall for _, alone in pairs),
        "frames_per_second": recipe.batch_size * recipe.clip_length / step_s,
        "overhead_percent": 100 * (statistics.median(harness.wall / alone.wall for harness, alone in pairs) - 1),
        "overhead_cpu_percent": 100 * (statistics.median(harness.cpu / alone.cpu for harness, alone in pairs) - 1),
    }


@click.command()
@click.option("--models", default=MODELS, show_default=True)
@click.option("--size", default="small", show_default=True)
@click.option("--recipe", "recipe_name", default="phantom_small", show_default=True)
@click.option("--steps", default=25, show_default=True)
@click.option("--warmup", default=5, show_default=True)
@click.option("--set", "settings", multiple=True, help="Override a value of the recipe, e.g. batch_size=2.")
def command(models: str, size: str, recipe_name: str, steps: int, warmup: int, settings: tuple[str, ...]) -> None:
    """Print one line per model."""
    keep_freed_memory()
    values = config.load("recipes", recipe_name).to_dict()["recipe"]
    config.override(values, config.parse_overrides(settings))
    values.update(iterations=steps + warmup, val_interval=10**9, checkpoint_interval=10**9)
    recipe = Recipe.from_dict(values)
    device = resolve_device(recipe.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"# {name}; torch {torch.__version__}; {resolve_precision(recipe.precision, device)}; recipe {recipe_name}:")
    print(
        f"# {recipe.image_size} px, {recipe.batch_size} clips of {recipe.clip_length} frames; median of {steps} steps"
    )
    print("model,size,parameters_m,harness_ms,bare_ms,frames_per_second,overhead_percent,overhead_cpu_percent")
    for model in models.split(","):
        row = measure(dict(config.load("models", model).sizes[size]), recipe, warmup)
        print(f"{model},{size}," + ",".join(f"{value:.2f}" for value in row.values()), flush=True)


if __name__ == "__main__":
    command()
