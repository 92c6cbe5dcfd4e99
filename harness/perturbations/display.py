"""Settings of the machine: gain, dynamic range, attenuation, time-gain compensation."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from harness.perturbations.base import Coherence, Draw, Perturbation
from harness.perturbations.polar import along_depth, smooth
from harness.perturbations.sector import Sector
from harness.registry import PERTURBATIONS


@PERTURBATIONS.register_module(name="gain_up")
class GainUp(Perturbation):
    """Too much gain: on a log-compressed display gain is an offset; bright tissue saturates."""

    name: ClassVar[str] = "gain_up"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "offset (grey range 1)"
    limits: ClassVar[tuple[float, float]] = (0.005, 0.8)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """x + strength."""
        return frames + strength


@PERTURBATIONS.register_module(name="gain_down")
class GainDown(Perturbation):
    """Too little gain: the same offset downwards; weak walls vanish in black."""

    name: ClassVar[str] = "gain_down"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "offset (grey range 1)"
    limits: ClassVar[tuple[float, float]] = (0.005, 0.6)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """x - strength."""
        return frames - strength


@PERTURBATIONS.register_module(name="low_contrast")
class LowContrast(Perturbation):
    """A dynamic range set too wide: grey levels draw together around the sector's mean."""

    name: ClassVar[str] = "low_contrast"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "share of contrast lost"
    limits: ClassVar[tuple[float, float]] = (0.01, 0.97)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """m + (1 - strength)(x - m), with one mean m for the whole clip."""
        mean = frames[:, sector.mask].mean()
        return mean + (1 - strength) * (frames - mean)


@PERTURBATIONS.register_module(name="depth_attenuation")
class DepthAttenuation(Perturbation):
    """Absorption that is not compensated: grey falls with depth."""

    name: ClassVar[str] = "depth_attenuation"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "attenuation coefficient over the full depth"
    limits: ClassVar[tuple[float, float]] = (0.02, 6.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """x exp(-strength depth)."""
        return frames * torch.exp(-strength * sector.depth)


@PERTURBATIONS.register_module(name="time_gain_error")
class TimeGainError(Perturbation):
    """Sliders of the time-gain compensation set wrongly: bright and dark bands across the depth, fixed in time."""

    name: ClassVar[str] = "time_gain_error"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "standard deviation of the offset over depth (grey range 1)"
    limits: ClassVar[tuple[float, float]] = (0.005, 0.8)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Eight sliders with alternating random offsets, smoothly joined."""
        signs = torch.tensor([1.0, -1.0]).repeat(4) * (1 if draw.uniform() < 0.5 else -1)
        sliders = signs * (0.5 + draw.normal(8).abs())
        profile = smooth(sliders.repeat_interleave(16)[None, :, None].expand(1, -1, 2).contiguous(), 6.0, 0.0)[0, :, 0]
        profile = (profile - profile.mean()) / profile.std().clamp_min(1e-6)
        return frames + strength * along_depth(profile.to(frames.device), sector)
