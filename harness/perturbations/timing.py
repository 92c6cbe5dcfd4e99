"""Faults of the frame sequence."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from harness.perturbations.base import Coherence, Draw, Perturbation
from harness.perturbations.sector import Sector
from harness.registry import PERTURBATIONS


@PERTURBATIONS.register_module(name="frozen_frames")
class FrozenFrames(Perturbation):
    """Dropped frames: a lost frame shows the one before it. Frame 0 is never lost, so T = 1 is the identity.

    The reference mask of a lost frame is still that of the true moment: the error measured is the lag.
    """

    name: ClassVar[str] = "frozen_frames"
    coherence: ClassVar[Coherence] = "frames"
    unit: ClassVar[str] = "share of frames lost"
    limits: ClassVar[tuple[float, float]] = (0.02, 0.95)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """The frames that are lost at a lower strength are lost at every higher one."""
        shown, sources = 0, []
        for frame in range(frames.shape[0]):
            lost = draw.uniform() < strength and frame > 0
            shown = shown if lost else frame
            sources.append(shown)
        return frames[torch.tensor(sources, device=frames.device)]
