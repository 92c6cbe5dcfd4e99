"""Speckle and electronic noise."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from harness.perturbations.base import Coherence, Draw, Perturbation
from harness.perturbations.polar import drifting, from_polar, smooth, unit_variance
from harness.perturbations.sector import Sector
from harness.registry import PERTURBATIONS


@PERTURBATIONS.register_module(name="speckle")
class Speckle(Perturbation):
    """Multiplicative grain, correlated in depth and angle and widening with depth, drifting with correlation 0.7.

    x (1 + strength n): the grain of interference that a smaller aperture or a lower frequency coarsens.
    """

    name: ClassVar[str] = "speckle"
    coherence: ClassVar[Coherence] = "drifting"
    unit: ClassVar[str] = "standard deviation of the factor"
    limits: ClassVar[tuple[float, float]] = (0.01, 2.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Grain on a polar grid of 128 x 96 cells, so that it is finer near the probe."""
        # On the polar grid a cell grows with depth, as a resolution cell does.
        noise = smooth(draw.normal(frames.shape[0], 128, 96), 0.8, 1.0)
        noise = drifting(unit_variance(noise), 0.7).to(frames.device)
        return frames * (1 + strength * from_polar(noise, sector))


@PERTURBATIONS.register_module(name="electronic_noise")
class ElectronicNoise(Perturbation):
    """Additive white noise of the receiver, fresh in every frame; time-gain compensation lifts it with depth."""

    name: ClassVar[str] = "electronic_noise"
    coherence: ClassVar[Coherence] = "independent"
    unit: ClassVar[str] = "standard deviation at full depth (grey range 1)"
    limits: ClassVar[tuple[float, float]] = (0.002, 0.8)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """The standard deviation rises linearly from 30 % at the probe to 100 % at full depth."""
        noise = draw.normal(*frames.shape).to(frames.device)
        # Time-gain compensation amplifies what comes from deep, the receiver's noise with it.
        return frames + strength * (0.3 + 0.7 * sector.depth) * noise
