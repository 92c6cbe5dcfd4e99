"""Data loaders whose batches are functions of (seed, iteration), whatever the number of workers."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from harness.data.prepared import PreparedSplit
from harness.data.sampling import ClipDataset, IterationBatches, collate
from harness.errors import ConfigError, unknown
from harness.training.job import TrainingJob
from harness.training.processes import Processes
from harness.training.recipe import Recipe

AHEAD = 4
"""Batches that each loader worker makes in advance: they hide a slow decode of one."""
FRAME_BYTES, MASK_BYTES = 4, 8
"""Of a pixel in a batch: float32 frames, int64 masks."""
SHARED_MEMORY = Path("/dev/shm")


class RankShare(Sampler[list[Any]]):
    """Every ``world``-th item of each batch, from item ``rank``: one process's part of a common batch."""

    def __init__(self, batches: Iterable[list[Any]], rank: int, world: int, length: int = 0) -> None:
        self.batches, self.rank, self.world, self.length = batches, rank, world, length
        self.sampler = None  # DistSamplerSeedHook asks a batch sampler for the sampler that it shuffles with

    def __len__(self) -> int:
        """Batches of a whole training: mmengine's hooks take the last one for the end of an epoch."""
        return self.length

    def __iter__(self) -> Iterator[list[Any]]:
        for batch in self.batches:
            # Strided and not in blocks: a last batch that does not divide evenly differs by at most one clip between
            # processes.
            yield batch[self.rank :: self.world]


def augmentation(augment: str | list[Any]) -> list[Any]:
    """Transforms of the recipe's ``augment``: ``paper``, ``none``, ``robust`` or a list of transform configs.

    Raises:
        ConfigError: another word.
    """
    if not isinstance(augment, str):
        return augment
    if augment not in AUGMENTATIONS:
        raise unknown("augmentation", augment, AUGMENTATIONS, "the recipe")
    return AUGMENTATIONS[augment]


SEEN_IN_TRAINING = (
    "acoustic_shadow", "depth_attenuation", "gain_down", "haze", "jpeg", "lateral_blur", "low_contrast", "speckle",
)  # fmt: skip
"""Perturbations of the word ``robust``: each kind of fault (noise, machine settings, artefacts, export) has some here and
some that are kept back, unseen."""
ROBUST = {
    "type": "RobustAugmentation", "probability": 0.5, "severities": [0.5, 4.0], "perturbations": [*SEEN_IN_TRAINING]
}  # fmt: skip
AUGMENTATIONS: dict[str, list[Any]] = {
    "paper": [{"type": "PaperAugmentation"}],
    "none": [],
    "robust": [ROBUST, {"type": "PaperAugmentation"}],
}


def training_loader(
    job: TrainingJob, split: PreparedSplit, *, start: int, pin: bool, processes: Processes
) -> DataLoader:
    """An endless loader of this process's share of each batch, from the one of iteration ``start`` on."""
    recipe = job.recipe
    # A process without a clip would wait for the others' gradients for ever.
    if recipe.batch_size < processes.world:
        raise ConfigError(
            f"The recipe's batch_size {recipe.batch_size} is smaller than the {processes.world} processes."
        )
    check_shared_memory(recipe)
    transforms = augmentation(recipe.augment)
    dataset = ClipDataset(
        split, clip_length=recipe.clip_length, structures=job.structures, transforms=transforms, seed=job.seed
    )
    batches = IterationBatches(len(dataset), recipe.batch_size, job.seed, start=start)
    return _loader(dataset, RankShare(batches, processes.rank, processes.world, recipe.iterations), recipe.workers, pin)


def check_shared_memory(recipe: Recipe, folder: Path = SHARED_MEMORY) -> None:
    """Refuse loader workers whose finished batches do not fit into shared memory, where they wait to be taken.

    Containers often have 64 MiB of it. A worker that finds it full dies of a bus error, or the training hangs.

    Raises:
        ConfigError: it is too small; the sentence says how much is needed.
    """
    if not recipe.workers or not folder.is_dir():
        return
    pixels = recipe.batch_size * recipe.clip_length * recipe.image_size**2
    needed = recipe.workers * AHEAD * pixels * (FRAME_BYTES + MASK_BYTES)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"{folder} has {free / 2**20:.0f} MiB free and {recipe.workers} loader workers need about {needed / 2**20:.0f}; "
            "start the container with more (--shm-size, or --ipc=host), or use --set recipe.workers=0."
        )


def validation_loader(job: TrainingJob, split: PreparedSplit, *, pin: bool) -> DataLoader:
    """All cases of the validation split in order, without augmentation."""
    recipe = job.recipe
    dataset = ClipDataset(split, clip_length=recipe.frames_at_test, structures=job.structures, seed=job.seed)
    # Draw 0 always: validation must not depend on when it takes place.
    items = [(index, 0) for index in range(len(dataset))]
    # whole clips differ in length and cannot be stacked
    size = 1 if recipe.frames_at_test is None else recipe.batch_size
    batches = [items[k : k + size] for k in range(0, len(items), size)]
    return _loader(dataset, batches, recipe.workers, pin)


def _loader(dataset: ClipDataset, batches: Iterable[list[Any]], workers: int, pin: bool) -> DataLoader:
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=pin,
        collate_fn=collate,
        worker_init_fn=_prepare_worker,
        # torch refuses the argument without workers
        prefetch_factor=AHEAD if workers else None,
    )


def _prepare_worker(worker: int) -> None:
    """One thread each. Ctrl-C reaches the whole process group; only the parent answers it."""
    # Workers times threads would otherwise fight for the cores that the model trains on.
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
