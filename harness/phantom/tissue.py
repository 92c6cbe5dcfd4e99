"""Scatterers of one view: where they lie at end-diastole, how strongly they reflect, and how they move with the heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.phantom.anatomy import ViewAnatomy
from harness.phantom.imaging import ANGLE_STEP, DEPTH_STEP_MM, Sector
from harness.phantom.profiles import Array, Outline
from harness.phantom.quality import Appearance

Generator = np.random.Generator

DENSITY = 1.3
"""Scatterers per polar cell: about twelve per resolution cell, enough for fully developed speckle."""

_AXIAL_DECAY_MM = 30.0
_LATERAL_DECAY_MM = 28.0
_SILENT_DB = -60.0
_LEAFLET_MM = 1.1
"""Half the thickness of a leaflet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scatterers:
    """Material points in local coordinates at end-diastole: z, u in mm and amplitude relative to the cavity's haze, each [N]."""

    z: Array
    u: Array
    amplitude: Array


def place_scatterers(
    rng: Generator, view: ViewAnatomy, sector: Sector, look: Appearance, margin_mm: float = 0.0, margin: float = 0.0
) -> Scatterers:
    """Scatter points evenly over the polar grid at ED and give each the reflectivity of the tissue it lies in.

    Points in blood do not reflect and are left out. With margins (mm of depth, radians on each side) there are points beyond the fan
    as well, which a moving probe brings into it.
    """
    rows, lines = sector.polar_shape
    deep, wide = rows * DEPTH_STEP_MM + margin_mm, lines * ANGLE_STEP + 2 * margin
    count = (
        int(DENSITY * (deep / DEPTH_STEP_MM) * (wide / ANGLE_STEP))
        if margin_mm or margin
        else int(DENSITY * rows * lines)
    )
    radius = rng.random(count, dtype=np.float32) * np.float32(deep)
    # Even in depth and angle, not in area: resolution cells grow with depth, and each needs its dozen scatterers.
    angle = (rng.random(count, dtype=np.float32) - 0.5) * np.float32(wide)
    z, u = view.ed_pose.to_local(radius * np.sin(angle), radius * np.cos(angle))
    decibel = reflectivity_db(rng, z, u, view, look)
    # Blood is left out here; its speckle comes from the haze, new in every frame.
    kept = decibel > _SILENT_DB
    # Divided by the root of the density: power per cell does not depend on how many points make it.
    amplitude = 10 ** (decibel[kept] / 20) / np.sqrt(DENSITY)
    return Scatterers(z=z[kept], u=u[kept], amplitude=amplitude.astype(np.float32))


def move(z: Array, u: Array, start: Outline, now: Outline) -> tuple[Array, Array]:
    """Carry material points from the outline ``start`` to ``now``.

    Inside the wall a point keeps its place along the long axis and its fraction of the thickness; inside the cavity its
    fraction of the half width; outside the displacement of the nearest wall fades with distance.
    """
    inner, outer, distance = start.inner(z, u), start.outer(z, u), np.abs(u)
    # Tissue far from the heart stands still; a hard limit would tear the speckle apart.
    fade = np.exp(-np.clip(distance - outer, 0, None) / np.float32(_LATERAL_DECAY_MM))
    below = np.exp(-np.clip(z - start.length, 0, None) / np.float32(_AXIAL_DECAY_MM))
    along = np.where(z < 0, 0, np.minimum(z / np.float32(start.length), 1) * below)
    new_z = z + along * np.float32(now.length - start.length) * fade
    # Beyond the apex only the thickening of the apical wall moves points.
    cap = np.clip(-z / np.float32(start.apex_wall), 0, 1) * np.float32(now.apex_wall - start.apex_wall)
    new_z = new_z - cap * fade
    new_inner, new_outer = now.inner(new_z, u), now.outer(new_z, u)
    # A share of the thickness and not a distance: the wall thickens without points crossing its borders.
    fraction = (distance - inner) / np.maximum(outer - inner, np.float32(1e-3))
    wall = new_inner + fraction * (new_outer - new_inner)
    blood = distance * new_inner / np.maximum(inner, np.float32(1e-3))
    outside = distance + (new_outer - outer) * fade
    # The sign is put back at the end: outlines are half widths.
    new_u = np.where(distance <= inner, blood, np.where(distance <= outer, wall, outside))
    return new_z, np.copysign(new_u, u)


def is_leaflet(z: Array, u: Array, outline: Outline, look: Appearance) -> NDArray[np.bool_]:
    """Whether points at local (z, u) at ED lie in the leaflets of the closed mitral valve."""
    inner, distance = outline.inner(z), np.abs(u)
    return (distance < inner) & (np.abs(z - outline.length + look.tenting_mm * _tent(u, inner)) < _LEAFLET_MM)


def swing(
    z: Array, u: Array, moved: tuple[Array, Array], start: Outline, now: Outline, look: Appearance, opening: float
) -> tuple[Array, Array]:
    """Leaflet points carried from the closed valve, where the cavity's motion takes them, towards the open one.

    Args:
        z, u: at ED. moved: where ``move`` puts them now. opening: 0 closed, 1 open.
    """
    inner = start.inner(z)
    # From the ring (0) to the tip (1); what a point lies beside the leaflet's middle line goes with it.
    along = _tent(u, inner)
    beside = z - start.length + look.tenting_mm * along
    ring = np.float32(now.base * now.width / 2)
    # Open leaflets hang down from the ring into the ventricle, a little inwards.
    open_z = now.length - np.float32(0.85) * ring * along
    open_u = np.copysign(ring * (1 - np.float32(0.3) * along) - beside, u)
    share = np.float32(opening)
    return (1 - share) * moved[0] + share * open_z, (1 - share) * moved[1] + share * open_u


def _tent(u: Array, inner: Array) -> Array:
    """1 in the middle of the valve, 0 at its ring."""
    return 1 - np.clip(np.abs(u) / np.maximum(inner, np.float32(1)), 0, 1)


def reflectivity_db(rng: Generator, z: Array, u: Array, view: ViewAnatomy, look: Appearance) -> Array:
    """Reflectivity in dB above the cavity's haze of points at local (z, u) at ED; -inf in blood."""
    outline = view.ed
    inner, outer, distance = outline.inner(z), outline.outer(z), np.abs(u)
    s, gap = z / np.float32(outline.length), distance - outer
    fraction = (distance - inner) / np.maximum(outer - inner, np.float32(1e-3))
    cavity, wall = distance < inner, (distance >= inner) & (distance < outer)
    lateral = u > 0
    level = look.surround_db + 4.5 * smooth_noise(rng, z, u, 22) + 3.5 * smooth_noise(rng, z, u, 5, stretch=2.5)
    level = np.where(lateral & (s < 1), level + look.lateral_db, level)
    level = np.where(wall, _wall_db(rng, z, u, fraction, s, look), level)
    level = np.where(wall & (z > outline.length), look.myocardium_db - 1 + 2 * smooth_noise(rng, z, u, 6), level)
    level = level + _interfaces_db(s, u, gap, distance, inner, outline, look)
    if view.right_ventricle_mm:
        level = np.where(_right_heart(z, u, gap, view), -np.inf, level)
    level = np.where(cavity, _inside_db(rng, z, u, s, inner, outline, look), level)
    return level.astype(np.float32)


def smooth_noise(rng: Generator, z: Array, u: Array, scale_mm: float, stretch: float = 1.0, waves: int = 16) -> Array:
    """Smooth random field of unit variance over (z, u), made of random plane waves; ``stretch`` lengthens it along u."""
    # Plane waves instead of a filtered grid: points lie anywhere, and the field follows the tissue, not the pixels.
    vectors = rng.normal(0, 1 / scale_mm, (waves, 2)).astype(np.float32)
    shifts = rng.uniform(0, 2 * np.pi, waves).astype(np.float32)
    total = np.zeros_like(z)
    for (kz, ku), shift in zip(vectors, shifts, strict=True):
        total += np.cos(kz * z + ku / np.float32(stretch) * u + shift)
    return total * np.float32(np.sqrt(2 / waves))


def _wall_db(rng: Generator, z: Array, u: Array, fraction: Array, s: Array, look: Appearance) -> Array:
    # Coarse and fine variation, the fine one drawn out along the wall like fibres.
    texture = 2.2 * smooth_noise(rng, z, u, 9) + 2.2 * smooth_noise(rng, z, u, 2.2, stretch=0.5)
    level = look.myocardium_db + texture + 2.0 * np.exp(-(((fraction - 0.08) / 0.12) ** 2))
    side = np.where(u < 0, look.septum_db, look.free_wall_db)
    level = level + side * np.clip(s * 2, 0, 1)
    for hole in look.dropouts:
        level = level - hole.depth_db * ((u > 0) == hole.right) * np.exp(-(((s - hole.centre) / hole.extent) ** 4))
    return level


def _interfaces_db(
    s: Array, u: Array, gap: Array, distance: Array, inner: Array, outline: Outline, look: Appearance
) -> Array:
    """Specular lines: pericardium beside the free wall, fibrous ring at the mitral plane."""
    along = np.clip((s - 0.3) * 4, 0, 1) * np.clip((1.25 - s) * 6, 0, 1)
    # A bright line beside the free wall only: the lung behind it reflects nearly everything.
    peri = look.pericardium_db * (u > 0) * along * np.exp(-(((gap - 1.5) / 2.0) ** 2))
    ring = look.annulus_db * np.exp(-(((s - 1) * outline.length / 3.5) ** 2) - ((distance - inner - 3) / 3.5) ** 2)
    return np.where(gap > 0, peri, 0) + ring


def _right_heart(z: Array, u: Array, gap: Array, view: ViewAnatomy) -> NDArray[np.bool_]:
    """Blood of the right ventricle and atrium, left of the septum."""
    outline, width = view.ed, np.float32(view.right_ventricle_mm)
    s = z / np.float32(outline.length)
    profile = width * np.sqrt(np.clip((s - 0.18) / 0.6, 0, 1)) * np.clip((1.06 - s) / 0.15, 0, 1) ** 0.3
    ventricle = (u < 0) & (gap > 0.5) & (gap < profile) & (s < 1.03)
    centre = -(np.float32(outline.atrium_width / 2 + 5) + width * 0.62)
    ellipse = ((u - centre) / (width * 0.62)) ** 2 + ((z - outline.length - 5 - width * 0.7) / (width * 0.72)) ** 2
    return ventricle | (ellipse < 1)


def _inside_db(rng: Generator, z: Array, u: Array, s: Array, inner: Array, outline: Outline, look: Appearance) -> Array:
    """What reflects inside the cavity: leaflets of the closed mitral valve, trabeculae, papillary muscles."""
    level = np.full_like(z, -np.inf)
    # Closed leaflets hang into the ventricle, deepest in the middle.
    valve = np.abs(z - outline.length + look.tenting_mm * _tent(u, inner)) < _LEAFLET_MM
    level = np.where(valve, look.myocardium_db + look.valve_db + 3 * smooth_noise(rng, z, u, 4), level)
    rough = smooth_noise(rng, z, u, 4.5, stretch=0.5)
    # Trabeculae belong to the cavity in the masks, as the guidelines trace it, and look like muscle.
    margin = inner - np.abs(u) < look.trabeculae_mm * np.clip(rough, 0, 2)
    level = np.where(margin & (s < 0.75), look.myocardium_db - 2.5, level)
    for muscle in look.papillary:
        across = (u * (1 if muscle.right else -1) - inner * np.float32(0.72)) / np.float32(muscle.width_mm)
        along = (s - muscle.centre) / muscle.extent
        level = np.where(across**2 + along**2 < 1, look.myocardium_db - muscle.faint_db, level)
    return level
