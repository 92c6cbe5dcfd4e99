"""Artefacts of the acoustic path: shadow, dropout, clutter, haze, reverberation."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from harness.perturbations.base import Coherence, Draw, Perturbation
from harness.perturbations.polar import along_angle, drifting, from_polar, smooth, to_polar, unit_variance
from harness.perturbations.sector import Sector
from harness.registry import PERTURBATIONS

DISPLAY_RANGE_DB = 60.0
"""Dynamic range that an attenuation in dB is shown with: grey falls by dB / 60."""


@PERTURBATIONS.register_module(name="acoustic_shadow")
class AcousticShadow(Perturbation):
    """A rib or calcification: a wedge of 5 to 20 degrees, fixed to a probe line, dark from a given depth on."""

    name: ClassVar[str] = "acoustic_shadow"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "width in degrees (attenuation grows with it, 10 to 30 dB)"
    limits: ClassVar[tuple[float, float]] = (0.5, 60.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """The wedge's centre and starting depth belong to the case; width and attenuation to the strength."""
        centre = draw.uniform(-0.6, 0.6) * sector.half_angle
        start = draw.uniform(0.05, 0.25)
        width = math.radians(strength)
        # A wide shadow is that of a near rib and darker too: one strength moves both.
        loss_db = 10 + 20 * min(strength / 20, 1.0)
        # Soft edges of one degree: the beam has a width.
        across = torch.sigmoid((width / 2 - (sector.angle - centre).abs()) / math.radians(1.0))
        below = torch.sigmoid((sector.depth - start) / 0.02)
        return frames - loss_db / DISPLAY_RANGE_DB * across * below


@PERTURBATIONS.register_module(name="lateral_dropout")
class LateralDropout(Perturbation):
    """Poor contact of parts of the probe: narrow groups of scan lines lose signal, fixed in time."""

    name: ClassVar[str] = "lateral_dropout"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "share of signal lost in the worst lines"
    limits: ClassVar[tuple[float, float]] = (0.01, 3.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """A smooth random profile over 96 scan lines; its upper part is lost, all of it above strength 1."""
        # Two rows because the smoothing works on maps; one is used.
        profile = smooth(draw.normal(1, 2, 96), 0.0, 2.0)[0, 0]
        profile = (profile - profile.min()) / (profile.max() - profile.min()).clamp_min(1e-6)
        loss = along_angle(profile.to(frames.device) ** 2, sector)
        # Multiplicative: lines without contact receive less of everything, noise floor included.
        return frames * (1 - strength * loss).clamp_min(0)


@PERTURBATIONS.register_module(name="near_field_clutter")
class NearFieldClutter(Perturbation):
    """Side lobes and reverberation of the chest wall: a bright, slowly changing veil over the first third of depth."""

    name: ClassVar[str] = "near_field_clutter"
    coherence: ClassVar[Coherence] = "drifting"
    unit: ClassVar[str] = "peak brightness (grey range 1)"
    limits: ClassVar[tuple[float, float]] = (0.01, 3.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Falls off with exp(-(depth / 0.3)^2); its texture keeps correlation 0.9 from frame to frame."""
        # Blurring shrinks the variance, so it is brought back to one: strength keeps its meaning.
        texture = unit_variance(smooth(draw.normal(frames.shape[0], 48, 32), 1.0, 2.5))
        texture = from_polar(drifting(texture, 0.9).to(frames.device), sector)
        veil = torch.exp(-((sector.depth / 0.3) ** 2)) * (0.7 + 0.3 * texture).clamp(0, 1.5)
        return frames + strength * veil


@PERTURBATIONS.register_module(name="haze")
class Haze(Perturbation):
    """Haze of a difficult window: broad clouds over the middle depths that drift and fill the cavity."""

    name: ClassVar[str] = "haze"
    coherence: ClassVar[Coherence] = "drifting"
    unit: ClassVar[str] = "peak brightness (grey range 1)"
    limits: ClassVar[tuple[float, float]] = (0.01, 2.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Clouds between 15 and 85 % of the depth; x + strength c (1 - x), as light scattered over the image."""
        clouds = unit_variance(smooth(draw.normal(frames.shape[0], 40, 32), 4.0, 5.0))
        clouds = from_polar(drifting(clouds, 0.95).to(frames.device), sector)
        band = torch.sigmoid((sector.depth - 0.15) / 0.05) * torch.sigmoid((0.85 - sector.depth) / 0.05)
        # (1 - x): bright tissue shines through haze, the dark cavity fills.
        return frames + strength * band * torch.sigmoid(1.5 * clouds) * (1 - frames)


@PERTURBATIONS.register_module(name="reverberation")
class Reverberation(Perturbation):
    """Echoes between probe and a near reflector: weaker copies of the image, shifted deeper along each line."""

    name: ClassVar[str] = "reverberation"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "brightness of the first copy"
    limits: ClassVar[tuple[float, float]] = (0.01, 3.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Three copies at multiples of one spacing, each half as bright as the one before."""
        depths, angles = 160, 96
        spacing = round(draw.uniform(0.12, 0.2) * depths)
        polar = to_polar(frames, sector, depths, angles)
        # Only strong reflectors near the probe reverberate: the rest of the image does not come back.
        near = polar * torch.sigmoid((0.35 - torch.linspace(0, 1, depths, device=frames.device)) / 0.03)[:, None]
        copies = torch.zeros_like(polar)
        for number in (1, 2, 3):
            # Every round trip loses half: 6 dB.
            copies[:, number * spacing :] += 0.5 ** (number - 1) * near[:, : depths - number * spacing]
        return frames + strength * from_polar(copies, sector)
