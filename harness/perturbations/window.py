"""A fault that passes: a perturbation that acts in a window of a clip's frames, placed by the case's seed, with soft edges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.errors import ConfigError, DataError
from harness.perturbations.base import Draw, Perturbation
from harness.perturbations.sector import Sector, find_sector

Position = Literal["before", "edge", "inside", "after"]
ALWAYS = "always"
_BEFORE, _AFTER = 2, 2
"""Clean frames that a window leaves at least: a memory needs something to remember, and a recovery something to be seen on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Frames ``start`` to ``stop - 1`` of a clip of ``count`` frames are under the fault; one on each side is its soft edge."""

    start: int
    stop: int
    count: int

    def position(self, frame: int) -> Position:
        """Where a frame lies.

        >>> [Window(start=3, stop=5, count=8).position(frame) for frame in range(8)]
        ['before', 'before', 'edge', 'inside', 'inside', 'edge', 'after', 'after']
        """
        if frame in (self.start - 1, self.stop):
            return "edge"
        return "before" if frame < self.start else "inside" if frame < self.stop else "after"

    def weights(self) -> Tensor:
        """float [count]: 1 under the fault, a half at its edges, 0 elsewhere."""
        share = {"before": 0.0, "edge": 0.5, "inside": 1.0, "after": 0.0}
        return torch.tensor([share[self.position(frame)] for frame in range(self.count)])


def window_length(when: str) -> int | None:
    """Frames of the window that ``--when`` asks for; None for ``always``.

    Raises:
        ConfigError: neither ``always`` nor ``passing:N`` with a whole N from 1 on.
    """
    if when == ALWAYS:
        return None
    found = re.fullmatch(r"passing:([1-9]\d*)", when)
    if found is None:
        raise ConfigError(f"--when is '{when}'; use always, or passing:N with the number of frames, as in passing:4.")
    return int(found.group(1))


def place_window(case: str, count: int, length: int) -> Window:
    """Where the fault passes in a clip of ``count`` frames: the same for every fault, severity and model.

    Raises:
        DataError: the clip is too short for a window with clean frames before and after it.
    """
    room = count - length - 2 - _BEFORE - _AFTER
    if room < 0:
        raise DataError(
            f"The clip {case} has {count} frames; a fault of {length} frames needs {count - room}. Use a shorter window, "
            "or whole sequences (--clip half, recipe.test_clip_length=whole)."
        )
    start = _BEFORE + 1 + int(Draw(case, "window").uniform(0, room + 1))
    return Window(start=start, stop=start + length, count=count)


def pass_over(
    perturbation: Perturbation, frames: Tensor, severity: float, case: str, window: Window, sector: Sector | None = None
) -> Tensor:
    """Frames [T, H, W] in [0, 1] with the perturbation in the window alone.

    It acts on the window and its two edges as on a clip of their own, and its edges are half of it and half of the clean
    frames; a fault of the order of frames has hard edges, since half a repeated frame is a double exposure.
    """
    if frames.ndim != 3 or frames.shape[0] != window.count:
        raise ValueError(f"frames must be [T, H, W] with T = {window.count}, got {tuple(frames.shape)}")
    sector = sector if sector is not None else find_sector(frames.float())
    # With the frame before it: what is repeated is the last frame that was there.
    span = slice(window.start - 1, window.stop + 1)
    changed = frames.clone()
    changed[span] = perturbation(frames[span], severity, case, sector)
    weights = window.weights().to(frames.device)
    if perturbation.coherence == "frames":
        weights = (weights == 1).float()
    return torch.lerp(frames, changed, weights.to(frames.dtype)[:, None, None])
