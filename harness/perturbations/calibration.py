"""Ladders of five severities, matched by mean structural similarity across perturbations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from harness.perturbations.base import SEVERITIES, Perturbation
from harness.perturbations.sector import Sector, find_sector
from harness.perturbations.similarity import sector_psnr_db, sector_ssim
from harness.perturbations.window import place_window
from harness.registry import PERTURBATIONS, list_perturbations

TARGETS = (0.95, 0.9, 0.8, 0.7, 0.6)
"""Mean SSIM inside the sector at severities 1..5."""
TOLERANCE = 5e-4
"""Bisection stops when the mean SSIM is this near to its target."""
PASSING_FRAMES = 4
"""Length of the window in which faults that pass are matched."""
NEAR = 0.02
"""A severity whose mean SSIM is this near to its target counts as matched."""


@dataclass(frozen=True, slots=True)
class ReferenceClip:
    """A clip [T, H, W] in [0, 1] of the reference set, its case's name and its sector."""

    case: str
    frames: Tensor
    sector: Sector


def reference_clips(clips: Iterable[tuple[str, Tensor, float]]) -> list[ReferenceClip]:
    """Find the sectors of (case, frames, pixel aspect) once."""
    return [ReferenceClip(case, frames, find_sector(frames, aspect)) for case, frames, aspect in clips]


def mean_similarity(perturbation: Perturbation, strength: float, clips: Sequence[ReferenceClip]) -> float:
    """Mean over clips of the sector's SSIM at one strength; of a fault that passes, of the frames wholly under it."""
    scores = [sector_ssim(*_pair(perturbation, strength, clip), clip.sector.mask) for clip in clips]
    return sum(scores) / len(scores)


def _pair(perturbation: Perturbation, strength: float, clip: ReferenceClip) -> tuple[Tensor, Tensor]:
    """Clean frames and the same at one strength.

    Raises:
        DataError: a clip too short for a fault that passes.
    """
    if not perturbation.passing:
        return clip.frames, perturbation.at_strength(clip.frames, strength, clip.case, clip.sector)
    # With both edges, as ``window.pass_over`` shows it: a rib's way and a probe's contact depend on how long they last.
    window = place_window(clip.case, len(clip.frames), PASSING_FRAMES)
    span = clip.frames[window.start - 1 : window.stop + 1]
    return span[1:-1], perturbation.at_strength(span, strength, clip.case, clip.sector)[1:-1]


def calibrate(
    reference: str,
    clips: Sequence[ReferenceClip],
    names: Sequence[str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Find for each perturbation the strengths whose mean SSIM is each of ``TARGETS``, by bisection.

    Where even the strongest permitted strength stays more than ``NEAR`` above the last target, the five targets are
    spread evenly over the SSIM that is reachable. ``reached`` says of each row whether it lies within ``NEAR`` of its
    own target.

    Returns:
        One row per (perturbation, severity): reference, perturbation, severity, strength, unit, target_ssim,
        ssim, psnr_db, reached (bool), clips.
    """
    rows = []
    for name in names or list_perturbations():
        perturbation: Perturbation = PERTURBATIONS.build({"type": name})
        rows += _ladder_rows(reference, perturbation, clips)
        tick()
    return pd.DataFrame(rows)


def _ladder_rows(reference: str, perturbation: Perturbation, clips: Sequence[ReferenceClip]) -> list[dict[str, object]]:
    floor = mean_similarity(perturbation, perturbation.limits[1], clips)
    targets = (
        TARGETS if floor <= TARGETS[-1] + NEAR else [1 - (1 - floor) * level / len(TARGETS) for level in SEVERITIES]
    )
    rows: list[dict[str, object]] = []
    # Each severity starts from the one before: ladders rise.
    low = perturbation.limits[0]
    for severity, target in zip(SEVERITIES, targets, strict=True):
        strength = _bisect(perturbation, target, low, clips)
        low = strength
        ssim = mean_similarity(perturbation, strength, clips)
        rows.append(
            {
                "reference": reference,
                "perturbation": perturbation.name,
                "severity": severity,
                # Four digits are committed, and what is committed is what is used.
                "strength": float(f"{strength:.4g}"),
                "unit": perturbation.unit,
                "target_ssim": TARGETS[severity - 1],
                "ssim": round(ssim, 4),
                "psnr_db": round(_mean_psnr(perturbation, strength, clips), 2),
                "reached": abs(ssim - TARGETS[severity - 1]) <= NEAR,
                "clips": len(clips),
            }
        )
    return rows


def _bisect(perturbation: Perturbation, target: float, low: float, clips: Sequence[ReferenceClip]) -> float:
    high = perturbation.limits[1]
    for _ in range(14):
        # Geometric middle: strengths span two orders of magnitude. SSIM falls with strength, so there is one root.
        middle = (low * high) ** 0.5
        found = mean_similarity(perturbation, middle, clips)
        if abs(found - target) < TOLERANCE:
            return middle
        if found > target:
            low = middle
        else:
            high = middle
    return (low * high) ** 0.5


def _mean_psnr(perturbation: Perturbation, strength: float, clips: Sequence[ReferenceClip]) -> float:
    values = torch.tensor([sector_psnr_db(*_pair(perturbation, strength, c), c.sector.mask) for c in clips])
    # A clip that the strength does not change has an infinite PSNR.
    return float(values[values.isfinite()].mean())
