"""Artefacts of export: JPEG compression and low resolution."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.perturbations.base import Coherence, Draw, Perturbation
from harness.perturbations.sector import Sector
from harness.registry import PERTURBATIONS

# Luminance quantisation table of ITU-T T.81, Annex K.1.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


@PERTURBATIONS.register_module(name="jpeg")
class Jpeg(Perturbation):
    """JPEG's loss: 8x8 cosine transform and quantisation of the luminance (ITU-T T.81), each frame by itself."""

    name: ClassVar[str] = "jpeg"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "factor on the standard's luminance table (quality 50 = 1)"
    limits: ClassVar[tuple[float, float]] = (0.05, 25.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Transform, divide by the scaled table, round, and back."""
        height, width = frames.shape[-2:]
        padded = F.pad(frames[:, None], (0, -width % 8, 0, -height % 8), mode="replicate")
        blocks = F.unfold(padded * 255 - 128, 8, stride=8)  # T 64 N
        basis = _cosine_basis(frames.device)
        table = torch.tensor(_LUMINANCE, device=frames.device, dtype=torch.float32).reshape(1, 64, 1) * strength
        coefficients = torch.round(basis @ blocks / table) * table
        restored = F.fold(basis.T @ coefficients, padded.shape[-2:], 8, stride=8)
        return ((restored + 128) / 255)[:, 0, :height, :width]


def _cosine_basis(device: torch.device) -> Tensor:
    """Orthonormal two-dimensional cosine transform of 8x8 blocks as a 64x64 matrix."""
    n = torch.arange(8, device=device, dtype=torch.float32)
    one = torch.cos(math.pi * (2 * n[None] + 1) * n[:, None] / 16) * math.sqrt(2 / 8)
    one[0] /= math.sqrt(2)
    return torch.kron(one, one)


@PERTURBATIONS.register_module(name="low_resolution")
class LowResolution(Perturbation):
    """A small export: the frame is reduced and enlarged again."""

    name: ClassVar[str] = "low_resolution"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "reduction factor"
    limits: ClassVar[tuple[float, float]] = (1.05, 16.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Antialiased bilinear reduction by the factor, bilinear enlargement."""
        height, width = frames.shape[-2:]
        size = (max(2, round(height / strength)), max(2, round(width / strength)))
        small = F.interpolate(frames[:, None], size, mode="bilinear", antialias=True, align_corners=False)
        return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)[:, 0]
