"""Between the image and probe coordinates (depth, angle): where an ultrasound machine's errors live."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.perturbations.sector import Sector


def to_polar(frames: Tensor, sector: Sector, depths: int, angles: int) -> Tensor:
    """Sample frames [T, H, W] on a polar grid → [T, depths, angles]; zero outside of the image."""
    depth = torch.linspace(0, 1, depths, device=frames.device)[:, None] * sector.reach
    angle = torch.linspace(-sector.half_angle, sector.half_angle, angles, device=frames.device)[None]
    rows = sector.apex[0] + depth * torch.cos(angle)
    columns = sector.apex[1] + depth * torch.sin(angle) / sector.aspect
    return _sample(frames, rows, columns)


def from_polar(polar: Tensor, sector: Sector) -> Tensor:
    """Sample polar maps [T, depths, angles] on the image's pixels → [T, H, W]; clamped at the polar borders."""
    rows = sector.depth * (polar.shape[-2] - 1)
    columns = (sector.angle / sector.half_angle + 1) / 2 * (polar.shape[-1] - 1)
    return _sample(polar, rows, columns, padding="border")


def along_angle(profile: Tensor, sector: Sector) -> Tensor:
    """Spread profiles over the angle [T, angles] or [angles] onto the image → [T or 1, H, W]."""
    profile = profile.reshape(-1, 1, profile.shape[-1]).expand(-1, 2, -1)
    return from_polar(profile, sector)


def along_depth(profile: Tensor, sector: Sector) -> Tensor:
    """Spread a profile over the depth [depths] onto the image → [H, W]."""
    return from_polar(profile[None, :, None].expand(1, -1, 2), sector)[0]


def _sample(images: Tensor, rows: Tensor, columns: Tensor, padding: str = "zeros") -> Tensor:
    """Bilinear samples of images [T, h, w] at pixel positions [H, W]."""
    height, width = images.shape[-2:]
    grid = torch.stack([columns / max(width - 1, 1) * 2 - 1, rows / max(height - 1, 1) * 2 - 1], -1)
    # Corners aligned: position 0 is the first sample, as the grid was made.
    out = F.grid_sample(images[None].float(), grid[None], mode="bilinear", padding_mode=padding, align_corners=True)
    return out[0]


def smooth(maps: Tensor, sigma_rows: float, sigma_columns: float) -> Tensor:
    """Separable Gaussian blur of [T, h, w] with replicated borders; a sigma near zero leaves that direction alone."""
    out = maps[:, None]
    for sigma, dim in ((sigma_rows, 2), (sigma_columns, 3)):
        if sigma < 0.1:
            continue
        radius = min(max(1, math.ceil(3 * sigma)), maps.shape[dim - 1] - 1)
        if radius < 1:
            continue
        steps = torch.arange(-radius, radius + 1, device=maps.device, dtype=torch.float32)
        kernel = torch.exp(-(steps**2) / (2 * sigma**2))
        kernel = (kernel / kernel.sum()).view(1, 1, -1, 1) if dim == 2 else (kernel / kernel.sum()).view(1, 1, 1, -1)
        pad = (0, 0, radius, radius) if dim == 2 else (radius, radius, 0, 0)
        out = F.conv2d(F.pad(out, pad, mode="replicate"), kernel)
    return out[:, 0]


def unit_variance(noise: Tensor) -> Tensor:
    """Scale blurred noise back to mean 0 and standard deviation 1 over the whole tensor."""
    return (noise - noise.mean()) / noise.std().clamp_min(1e-6)


def drifting(noise: Tensor, correlation: float) -> Tensor:
    """Turn independent maps [T, ...] into a stationary sequence with this correlation from frame to frame."""
    # AR(1): the variance stays one, so a clip's last frame is as noisy as its first.
    fresh = math.sqrt(1 - correlation**2)
    maps = [noise[0]]
    for step in noise[1:]:
        maps.append(correlation * maps[-1] + fresh * step)
    return torch.stack(maps)
