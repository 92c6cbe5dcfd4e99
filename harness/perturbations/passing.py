"""Faults that only pass: blank and repeated frames, the probe lifted off, a rib that wanders through the picture.

The probe and the rib are matched by the similarity of the frames under them, on the phantom's sequences. Blank and repeated frames
cannot be: a frame as similar as severity 5 of the others (SSIM 0.6) is grey and not blank, and a repeated frame is as similar as the
heart is still. Their ladders say what they are, a share of the signal and of the frames.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from harness.perturbations.artefacts import DISPLAY_RANGE_DB
from harness.perturbations.base import Coherence, Draw, Perturbation
from harness.perturbations.sector import Sector
from harness.registry import PERTURBATIONS


@PERTURBATIONS.register_module(name="blank_frames")
class BlankFrames(Perturbation):
    """The signal is lost: frames darken, at severity 5 to black."""

    name: ClassVar[str] = "blank_frames"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "share of the signal lost"
    limits: ClassVar[tuple[float, float]] = (0.3, 1.0)
    passing: ClassVar[bool] = True
    fixed: ClassVar[tuple[float, ...]] = (0.5, 0.7, 0.85, 0.95, 1.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Every pixel of the sector loses the same share."""
        return frames * (1 - strength)


@PERTURBATIONS.register_module(name="repeated_frames")
class RepeatedFrames(Perturbation):
    """The picture stands still: the last frame before the fault is shown again; at lower severities it goes on in between."""

    name: ClassVar[str] = "repeated_frames"
    coherence: ClassVar[Coherence] = "frames"
    unit: ClassVar[str] = "share of frames that are repeated"
    limits: ClassVar[tuple[float, float]] = (0.1, 1.0)
    passing: ClassVar[bool] = True
    fixed: ClassVar[tuple[float, ...]] = (0.2, 0.4, 0.6, 0.8, 1.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """A frame that is repeated at a lower strength is repeated at every higher one."""
        shown, sources = 0, []
        for frame in range(frames.shape[0]):
            shown = shown if frame and draw.uniform() < strength else frame
            sources.append(shown)
        return frames[torch.tensor(sources, device=frames.device)]


@PERTURBATIONS.register_module(name="probe_lift_off")
class ProbeLiftOff(Perturbation):
    """The probe tilts off the skin: scan lines go dark from one side on, and the near field rings where contact is lost."""

    name: ClassVar[str] = "probe_lift_off"
    coherence: ClassVar[Coherence] = "drifting"
    unit: ClassVar[str] = "share of scan lines without contact at the worst moment"
    limits: ClassVar[tuple[float, float]] = (0.01, 1.0)
    passing: ClassVar[bool] = True

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """The side belongs to the case; contact is lost and found again over the frames (half a sine)."""
        side = -1.0 if draw.uniform() < 0.5 else 1.0
        count = frames.shape[0]
        phase = (torch.arange(count, device=frames.device) + 0.5) / count
        lost = strength * torch.sin(math.pi * phase)[:, None, None]
        # From the outermost line (1) inwards (0): lines up to the lost share have no contact, with an edge of a beam's width.
        place = (1 - side * sector.angle / sector.half_angle) / 2
        without = torch.sigmoid((lost - place) / 0.03)
        ringing = 0.5 * torch.exp(-((sector.depth / 0.06) ** 2))
        return frames * (1 - without) + ringing * without


@PERTURBATIONS.register_module(name="rib_shadow")
class RibShadow(Perturbation):
    """A rib passes: the wedge of an acoustic shadow wanders across the sector, from one side to the other."""

    name: ClassVar[str] = "rib_shadow"
    coherence: ClassVar[Coherence] = "drifting"
    unit: ClassVar[str] = "width in degrees (attenuation grows with it, 10 to 30 dB)"
    limits: ClassVar[tuple[float, float]] = (1.0, 60.0)
    passing: ClassVar[bool] = True

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """The direction belongs to the case; 80 % of the sector's angle are crossed."""
        side = -1.0 if draw.uniform() < 0.5 else 1.0
        count = frames.shape[0]
        phase = (torch.arange(count, device=frames.device) + 0.5) / count
        centre = (side * (1.6 * phase - 0.8) * sector.half_angle)[:, None, None]
        # As in ``acoustic_shadow``: a wide shadow is that of a near rib and darker too.
        loss_db = 10 + 20 * min(strength / 20, 1.0)
        across = torch.sigmoid((math.radians(strength) / 2 - (sector.angle - centre).abs()) / math.radians(1.0))
        below = torch.sigmoid((sector.depth - 0.08) / 0.02)
        return frames - loss_db / DISPLAY_RANGE_DB * across * below
