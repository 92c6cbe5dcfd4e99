"""Structural similarity inside the sector: the yardstick that severities are calibrated with."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.perturbations.polar import smooth

# The constants of the paper for a range of 1.
_C1, _C2, _SIGMA = 0.01**2, 0.03**2, 1.5


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM (Wang et al. 2004, Gaussian window of sigma 1.5, range 1) of clips [T, H, W] → [T, H, W]."""
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (var_a + var_b + _C2)
    return luminance * structure


def sector_ssim(clean: Tensor, perturbed: Tensor, mask: Tensor) -> float:
    """Mean SSIM over all frames [T, H, W] and the pixels of ``mask`` [H, W]."""
    return float(ssim_map(clean.float(), perturbed.float())[:, mask].mean())


def sector_psnr_db(clean: Tensor, perturbed: Tensor, mask: Tensor) -> float:
    """Peak signal-to-noise ratio in dB inside the sector (peak 1); infinite for equal clips."""
    error = (clean.float() - perturbed.float())[:, mask].square().mean()
    return float(-10 * torch.log10(error))


def _blur(x: Tensor) -> Tensor:
    return smooth(x, _SIGMA, _SIGMA)
