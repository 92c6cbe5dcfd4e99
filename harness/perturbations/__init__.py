"""Ultrasound's own perturbations, registered in ``harness.registry.PERTURBATIONS``."""

from harness.perturbations import artefacts, display, export, noise, passing, resolution, timing
from harness.perturbations.base import SEVERITIES, Perturbation, calibrated_ladders, clip_hash

__all__ = [
    "SEVERITIES",
    "Perturbation",
    "artefacts",
    "calibrated_ladders",
    "clip_hash",
    "display",
    "export",
    "noise",
    "passing",
    "resolution",
    "timing",
]
