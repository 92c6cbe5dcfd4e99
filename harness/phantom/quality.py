"""Image quality: gain, haze, clutter, shadows and dropout of one view, by tier (Good, Medium, Poor)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropout:
    """A stretch of wall that hardly reflects: side, centre and half extent (share of the long axis), loss in dB."""

    right: bool
    centre: float
    extent: float
    depth_db: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Papillary:
    """A papillary muscle inside the cavity: side, centre and half extent along the axis, half width, faintness in dB."""

    right: bool
    centre: float
    extent: float
    width_mm: float
    faint_db: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Shadow:
    """An angular shadow: centre and half width in radians, where it begins in mm, remaining share of the signal."""

    centre: float
    width: float
    start_mm: float
    remaining: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """Everything that decides the grey levels of one view; levels in dB above the cavity's haze.

    ``offset`` is the grey level of the haze's floor, ``dynamic_range_db`` what 255 grey levels span. ``haze_db`` lifts the
    apical cavity, ``near_db`` the static near field, ``clutter_db`` a static veil around (``clutter_mm``, ``clutter_angle``).
    """

    offset: float
    dynamic_range_db: float
    myocardium_db: float
    surround_db: float
    lateral_db: float
    septum_db: float
    free_wall_db: float
    pericardium_db: float
    annulus_db: float
    valve_db: float
    tenting_mm: float
    trabeculae_mm: float
    papillary: tuple[Papillary, ...]
    dropouts: tuple[Dropout, ...]
    shadows: tuple[Shadow, ...]
    haze_db: float
    near_db: float
    near_mm: float
    clutter_db: float
    clutter_mm: float
    clutter_angle: float
    deep_gain_db: float
    axial_fwhm_mm: float
    lateral_fwhm_deg: float


@dataclass(frozen=True, slots=True)
class _Tier:
    offset: float
    contrast_db: float
    haze_db: float
    clutter_db: float
    dropouts: float
    dropout_db: float
    shadows: float


# Chosen so that --describe shows CAMUS's percentiles of grey levels and contrast (docs/phantom.md).
_TIERS = {
    "Good": _Tier(44, 17.5, 4, -6, 0.7, 6, 0.2),
    "Medium": _Tier(45, 16, 5, 0, 1.3, 8, 0.45),
    "Poor": _Tier(48, 14.5, 6.0, 5, 2.2, 9, 0.9),
}


def draw_appearance(rng: Generator, quality: str, half_angle: float) -> Appearance:
    """Draw the look of one view of a tier ``Good``, ``Medium`` or ``Poor``."""
    tier = _TIERS[quality]
    myocardium = float(np.clip(rng.normal(tier.contrast_db, 2.2), 8, 24))
    return Appearance(
        offset=float(np.clip(rng.normal(tier.offset, 15), 8, 85)),
        dynamic_range_db=float(rng.uniform(49, 61)),
        myocardium_db=myocardium,
        surround_db=myocardium + float(rng.normal(-1.5, 2)),
        lateral_db=float(rng.normal(-3, 4)),
        septum_db=float(rng.normal(0.5, 1)),
        free_wall_db=float(rng.normal(-2.5, 2.2)),
        pericardium_db=float(np.clip(rng.normal(9, 4), 0, 18)),
        annulus_db=float(np.clip(rng.normal(8, 3), 0, 15)),
        valve_db=float(rng.normal(0, 3)),
        tenting_mm=float(np.clip(rng.normal(4, 3), -2, 10)),
        trabeculae_mm=float(rng.uniform(0.5, 4)),
        papillary=_papillary(rng),
        dropouts=_dropouts(rng, tier),
        shadows=_shadows(rng, tier, half_angle),
        haze_db=float(np.clip(rng.normal(tier.haze_db, 2), -1, 12)),
        near_db=myocardium + float(rng.normal(1, 2.5)),
        near_mm=float(np.clip(rng.normal(13, 5), 4, 30)),
        clutter_db=float(rng.normal(tier.clutter_db, 4)),
        clutter_mm=float(rng.uniform(30, 110)),
        clutter_angle=float(rng.uniform(-0.8, 0.8) * half_angle),
        deep_gain_db=float(rng.normal(5, 3)),
        axial_fwhm_mm=float(np.clip(rng.normal(1.25, 0.2), 0.95, 2.0)),
        lateral_fwhm_deg=float(np.clip(rng.normal(2.5, 0.3), 1.8, 3.4)),
    )


def _papillary(rng: Generator) -> tuple[Papillary, ...]:
    return tuple(
        Papillary(
            right=bool(rng.random() < 0.75),
            centre=float(rng.uniform(0.4, 0.68)),
            extent=float(rng.uniform(0.06, 0.13)),
            width_mm=float(rng.uniform(2, 5)),
            faint_db=float(rng.uniform(0, 6)),
        )
        for _ in range(int(rng.poisson(0.8)))
    )


def _dropouts(rng: Generator, tier: _Tier) -> tuple[Dropout, ...]:
    return tuple(
        Dropout(
            # The lateral wall drops out more often than the septum.
            right=bool(rng.random() < 0.68),
            centre=float(rng.uniform(0, 0.85)),
            extent=float(rng.uniform(0.1, 0.3)),
            depth_db=float(np.clip(rng.normal(tier.dropout_db, 3), 1, 16)),
        )
        for _ in range(int(rng.poisson(tier.dropouts)))
    )


def _shadows(rng: Generator, tier: _Tier, half_angle: float) -> tuple[Shadow, ...]:
    return tuple(
        Shadow(
            # Shadows of ribs and lung come from the edges of the fan.
            centre=float(half_angle * rng.choice([-1, 1]) * (1.05 - abs(rng.normal(0, 0.35)))),
            width=float(np.deg2rad(rng.uniform(3, 9))),
            start_mm=float(rng.uniform(5, 70)),
            remaining=float(rng.uniform(0.15, 0.65)),
        )
        for _ in range(int(rng.poisson(tier.shadows)))
    )
