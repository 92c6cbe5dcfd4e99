"""Training clips from a prepared split: every batch and every random draw is a function of (seed, iteration)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from harness.clip import LABELS, structure_names
from harness.data.cache import PreparedSplit
from harness.data.transforms import Transform, build_transforms
from harness.errors import ConfigError


class ClipItem(TypedDict):
    """frames float32 [T, 1, S, S] in [0, 1]; masks int64 [T, S, S] class ids; labelled bool [T]; index of the clip."""

    frames: Tensor
    masks: Tensor
    labelled: Tensor
    index: int


def resample_indices(count: int, length: int | None) -> NDArray[np.int64]:
    """Frame indices of a clip of ``length`` from ``count`` frames: ``rint(linspace(first, last, length))``.

    A clip that is shorter repeats frames; None keeps all of them; length 1 is the first frame.
    """
    if length is not None and length < 1:
        raise ConfigError(f"clip_length is {length}; a clip has at least one frame.")
    # First and last frame are always among them: they are ED and ES, the labelled ones.
    return np.rint(np.linspace(0, count - 1, count if length is None else length)).astype(np.int64)


def lost_frames(
    labelled: Sequence[bool] | NDArray[np.bool_], ed: int | None, es: int | None, chosen: NDArray[np.int64]
) -> list[int]:
    """Labelled frames that must be scored and are not among the chosen: ED and ES, or all of a clip that names neither.

    A sequence with a mask on every frame may be tested on some of them, but never without its ED and ES.

    >>> lost_frames([True, True, True, True], 0, 3, np.array([0, 3])), lost_frames([True] * 4, 0, 2, np.array([0, 3]))
    ([], [2])
    """
    return sorted(headline_frames(labelled, ed, es) - set(chosen.tolist()))


def headline_frames(labelled: Sequence[bool] | NDArray[np.bool_], ed: int | None, es: int | None) -> set[int]:
    """The labelled frames that headline figures are of: ED and ES, or all of a clip that names neither."""
    wanted = set(np.flatnonzero(labelled).tolist())
    return wanted & {frame for frame in (ed, es) if frame is not None} or wanted


def class_table(structures: str | Sequence[str], labels: Mapping[str, int] = LABELS) -> NDArray[np.uint8]:
    """uint8 [256]: class id of every label id; labels of structures that are not asked for become background.

    Args:
        structures: see ``structure_names``.
        labels: label ids of the masks by structure, those of the prepared cache.

    Raises:
        ConfigError: a structure that has no label.
    """
    # A lookup table: one indexing per clip instead of one comparison per structure.
    table = np.zeros(256, dtype=np.uint8)
    for class_id, name in enumerate(structure_names(structures, labels), start=1):
        table[labels[name]] = class_id
    return table


def draw_generator(seed: int, draw: int) -> torch.Generator:
    """The random numbers of one draw: independent of workers, of earlier draws and of the global state."""
    # Below 2**63, so that it is a non-negative int64 wherever it is stored.
    state = int(np.random.SeedSequence((seed, draw)).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator().manual_seed(state)


class ClipDataset(Dataset[ClipItem]):
    """Clips of a split at model size, resampled in time and augmented.

    Args:
        split: a split of a prepared cache.
        clip_length: frames per clip, or None for all frames of each clip.
        structures: a set name (``"lv"``, ``"all"``) or structure names; class k+1 is the k-th.
        transforms: callables ``(frames, masks, generator)`` or their configs.
        seed: with the draw it decides everything random.
    """

    def __init__(
        self,
        split: PreparedSplit,
        *,
        clip_length: int | None,
        structures: str | Sequence[str],
        transforms: Sequence[Transform | dict[str, Any]] = (),
        seed: int = 0,
    ) -> None:
        self.split = split
        self.clip_length = clip_length
        self.structures = structure_names(structures)
        if absent := [name for name in self.structures if name not in split.cache.structures]:
            known = ", ".join(split.cache.structures)
            raise ConfigError(f"The dataset '{split.cache.name}' has no masks of {absent[0]}; choose among {known}.")
        self.transforms = build_transforms(transforms)
        self.seed = seed
        self._table = class_table(structures, split.cache.labels)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: tuple[int, int] | int) -> ClipItem:
        """The clip at ``(index, draw)``; a bare ``index`` is draw 0."""
        index, draw = key if isinstance(key, tuple) else (key, 0)
        clip = self.split.clip(index)
        chosen = resample_indices(len(clip), self.clip_length)
        frames = torch.from_numpy(clip.frames[chosen]).unsqueeze(1).to(torch.float32).div_(255)
        masks = torch.from_numpy(self._table[clip.masks[chosen]]).to(torch.int64)
        generator = draw_generator(self.seed, draw)
        # All from one generator: the k-th draw is the same whatever worker makes it.
        for transform in self.transforms:
            frames, masks = transform(frames, masks, generator)
        return ClipItem(frames=frames, masks=masks, labelled=torch.from_numpy(clip.labelled[chosen]), index=index)


class IterationBatches(Sampler[list[tuple[int, int]]]):
    """Infinite batches of ``(index, draw)``: batch k is a function of ``(seed, k)`` alone.

    Draws are numbered through; draw j takes place j modulo ``count`` in the j div ``count``-th shuffling of the
    clips, so that every clip is seen once before any is seen again, also where batches cross that border.
    """

    def __init__(self, count: int, batch_size: int, seed: int, start: int = 0) -> None:
        if count < 1 or batch_size < 1:
            raise ConfigError(f"A batch needs clips: there are {count}, and batch_size is {batch_size}.")
        self.count, self.batch_size, self.seed, self.start = count, batch_size, seed, start
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def batch(self, iteration: int) -> list[tuple[int, int]]:
        """The batch of one iteration, counted from 0."""
        first = iteration * self.batch_size
        return [(self._index(draw), draw) for draw in range(first, first + self.batch_size)]

    def _index(self, draw: int) -> int:
        epoch, position = divmod(draw, self.count)
        # Computed again only at a border: a permutation per draw would cost more than the clip.
        if epoch != self._epoch:
            # From (seed, epoch) alone, so that batch k needs none of the batches before it.
            self._order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
            self._epoch = epoch
        return int(self._order[position])

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        iteration = self.start
        while True:
            yield self.batch(iteration)
            iteration += 1


def collate(items: Sequence[ClipItem]) -> dict[str, Tensor]:
    """Stack items of equal length into a batch."""
    batch = {key: torch.stack([item[key] for item in items]) for key in ("frames", "masks", "labelled")}
    return {**batch, "index": torch.tensor([item["index"] for item in items])}
