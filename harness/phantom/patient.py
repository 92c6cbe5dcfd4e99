"""Drawing one patient: anatomy, function, acquisition and image quality, with the percentiles of CAMUS in mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from harness.phantom.anatomy import VIEWS, ViewAnatomy, biplane_volume_ml
from harness.phantom.pose import Pose
from harness.phantom.profiles import Outline

Generator = np.random.Generator

QUALITIES = ("Good", "Medium", "Poor")
_QUALITY_SHARES = (0.43, 0.43, 0.14)
_ATRIAL_DECAY_MM = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Acquisition:
    """How one view was recorded.

    Attributes:
        depth_mm, half_angle: the sector's depth and half opening angle (radians).
        frame_rate_hz, frames: of the half sequence.
        quality: Good, Medium or Poor.
        reversed: True where the half sequence runs from ES to ED.
    """

    depth_mm: float
    half_angle: float
    frame_rate_hz: float
    frames: int
    quality: str
    reversed: bool

    def phases(self) -> np.ndarray:
        """Cardiac phase (0 = ED, 1 = ES) of each frame of the half sequence, in time order."""
        time = np.linspace(0, 1, self.frames)
        # Slow at both ends, as a ventricle is; the exponent lets it linger at end-diastole.
        phase = np.sin(np.pi / 2 * time**1.15) ** 2
        return phase[::-1] if self.reversed else phase


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """One phantom patient; ``views`` and ``acquisitions`` are in the order of ``VIEWS``."""

    sex: str
    age: int
    ef_percent: float
    views: tuple[ViewAnatomy, ViewAnatomy]
    acquisitions: tuple[Acquisition, Acquisition]


def draw_patient(rng: Generator, reversed_share: float = 0.024) -> Patient:
    """Draw one patient; the ejection fraction is met exactly by the volumes of the two outlines.

    EF is N(44, 12) % clipped to 4..81, as in CAMUS.
    """
    ef = float(np.clip(rng.normal(44, 12), 4, 81))
    ed = _diastole(rng)
    es = _systole(rng, ed, ef / 100)
    # Drawn once per patient: the two views of a patient mostly have the same quality (see ``_quality``).
    tier = int(rng.choice(3, p=_QUALITY_SHARES))
    views, acquisitions = [], []
    for k, view in enumerate(VIEWS):
        acquisition, ed_pose, es_pose = _acquire(rng, view, ed[k], es[k], tier, reversed_share)
        right = float(np.clip(rng.normal(27, 6), 12, 42)) if view == "4CH" else 0.0
        views.append(
            ViewAnatomy(view=view, ed=ed[k], es=es[k], ed_pose=ed_pose, es_pose=es_pose, right_ventricle_mm=right)
        )
        acquisitions.append(acquisition)
    return Patient(
        sex="F" if rng.random() < 0.34 else "M",
        age=int(np.clip(rng.normal(65, 14), 18, 95)),
        ef_percent=ef,
        views=(views[0], views[1]),
        acquisitions=(acquisitions[0], acquisitions[1]),
    )


def _diastole(rng: Generator) -> list[Outline]:
    size = rng.normal(0, 0.07)
    length = float(np.clip(80.5 * np.exp(size + rng.normal(0, 0.09)), 58, 104))
    wall = rng.normal(0, 0.13)
    return [_diastolic_view(rng, length, size, wall) for _ in VIEWS]


def _diastolic_view(rng: Generator, length: float, size: float, wall: float) -> Outline:
    # Large hearts are wide more than in proportion (1.2).
    width = float(np.clip(45.5 * np.exp(1.2 * size + rng.normal(0, 0.11)), 31, 0.85 * length))
    base = float(rng.uniform(0.68, 0.88))
    return Outline(
        length=length,
        width=width,
        shoulder=float(rng.uniform(0.48, 0.66)),
        base=base,
        apex_wall=9.5 * float(np.exp(wall + rng.normal(0, 0.12))),
        side_wall=12.0 * float(np.exp(wall + rng.normal(0, 0.08))),
        base_wall=11.0 * float(np.exp(wall + rng.normal(0, 0.1))),
        atrium_length=float(np.clip(39 * np.exp(rng.normal(0, 0.34)), 13, 66)),
        atrium_width=float(np.clip(39 * np.exp(rng.normal(0, 0.22)), 0.88 * base * width, 58)),
    )


def _systole(rng: Generator, ed: Sequence[Outline], ef: float) -> list[Outline]:
    """Outlines at ES: the length shortens, the widths take up what is left to reach the ejection fraction exactly."""
    # 1 − (1 − EF)^⅓ is the shortening of a body that shrinks alike in all directions; real hearts shorten less.
    share = float(np.clip(0.82 * np.exp(rng.normal(0, 0.26)), 0.35, 1.4))
    shortening = min(share * (1 - (1 - ef) ** (1 / 3)), 0.28)
    shaped = [
        replace(
            outline,
            length=outline.length * (1 - shortening),
            shoulder=float(np.clip(outline.shoulder + rng.normal(0.02, 0.02), 0.42, 0.7)),
            base=float(np.clip(outline.base + 0.15 * ef * rng.uniform(0.3, 1), 0.6, 0.95)),
        )
        for outline in ed
    ]
    # What length and shape have not yet taken from the volume is left to the two widths, so the EF is met exactly.
    ratio = (1 - ef) * biplane_volume_ml(*ed) / biplane_volume_ml(*shaped)
    # The four-chamber width narrows a little more than the two-chamber one.
    exponent = float(np.clip(rng.normal(0.58, 0.04), 0.48, 0.68))
    narrowed = [
        replace(shaped[0], width=shaped[0].width * ratio ** (1 - exponent)),
        replace(shaped[1], width=shaped[1].width * ratio**exponent),
    ]
    return [_thicken(_fill_atrium(rng, new, old), old, rng) for new, old in zip(narrowed, ed, strict=True)]


def _fill_atrium(rng: Generator, new: Outline, old: Outline) -> Outline:
    """The mitral plane rises and the atrium's roof follows only a little, so the atrium grows as the ventricle empties."""
    # The mitral plane moves towards the apex, which nearly stands still.
    rise = old.length - new.length
    roof = old.length + old.atrium_length - rise * np.exp(-old.atrium_length / _ATRIAL_DECAY_MM)
    growth = float(np.clip(rng.normal(1.1, 0.07), 0.95, 1.3))
    return replace(new, atrium_length=float(roof - new.length), atrium_width=old.atrium_width * growth)


def _thicken(new: Outline, old: Outline, rng: Generator) -> Outline:
    """Scale the wall so that its area at ES is the drawn share (about 0.96) of its area at ED."""
    target = float(np.clip(rng.normal(0.965, 0.075), 0.8, 1.2)) * old.wall_area

    def scaled(factor: float) -> Outline:
        return replace(
            new,
            apex_wall=old.apex_wall * factor,
            side_wall=old.side_wall * factor,
            base_wall=old.base_wall * factor,
        )

    # No closed form: the area of the wall depends on its thickness through the outer shape. Monotone, so one root.
    return scaled(float(brentq(lambda factor: scaled(factor).wall_area - target, 0.3, 4.0)))


def _acquire(
    rng: Generator, view: str, ed: Outline, es: Outline, tier: int, reversed_share: float
) -> tuple[Acquisition, Pose, Pose]:
    half_angle = float(np.deg2rad(np.clip(rng.normal(37, 1.8), 31, 42)))
    pose = _place(rng, view, ed, half_angle)
    base_y = pose.apex_y + ed.length * np.cos(pose.tilt)
    depth = float(np.clip(base_y + np.clip(rng.normal(42, 16), 12, 85), 98, 205))
    moved = replace(
        pose,
        apex_x=pose.apex_x + float(rng.normal(0, 1.2)),
        apex_y=pose.apex_y + float(rng.normal(0.8, 1.0)),
        tilt=pose.tilt + float(rng.normal(0, 0.035)),
        bend=pose.bend * 0.85,
        length=es.length,
    )
    rate = float(np.clip(rng.normal(53, 4.5), 42, 70))
    duration = float(np.clip(314 * np.exp(rng.normal(0, 0.17)), 190, 480)) / 1000
    acquisition = Acquisition(
        depth_mm=depth,
        half_angle=half_angle,
        frame_rate_hz=round(rate, 1),
        # Both ends of systole are frames.
        frames=int(np.clip(round(rate * duration) + 1, 10, 32)),
        quality=QUALITIES[_quality(rng, tier)],
        reversed=bool(rng.random() < reversed_share),
    )
    return acquisition, pose, moved


def _quality(rng: Generator, tier: int) -> int:
    """The view's own quality: mostly the patient's, else drawn afresh (two views of CAMUS differ in 42 % of patients)."""
    return tier if rng.random() < 0.56 else int(rng.choice(3, p=_QUALITY_SHARES))


def _place(rng: Generator, view: str, ed: Outline, half_angle: float) -> Pose:
    """Draw poses until nearly all of the cavity lies inside the sector."""
    centre = 5.0 if view == "4CH" else 0.0
    best, best_outside = None, np.inf
    # Rejection instead of a clever distribution: what is drawn stays normal, and the best of 60 is always there.
    for _ in range(60):
        tilt = float(np.deg2rad(np.clip(rng.normal(5, 16), -30, 32)))
        apex_y = float(np.clip(30.5 * np.exp(rng.normal(0, 0.22)), 18, 50))
        # A tilted axis is shifted back, as a sonographer keeps the ventricle in the middle of the fan.
        apex_x = float(centre + rng.normal(0, 6) - 0.45 * np.sin(tilt) * ed.length)
        pose = Pose(
            apex_x=apex_x,
            apex_y=apex_y,
            tilt=tilt,
            shear=float(rng.normal(0, 0.06)),
            bend=float(rng.normal(1.0, 1.5)),
            length=ed.length,
        )
        outside = _share_outside(pose, ed, half_angle)
        if outside < best_outside:
            best, best_outside = pose, outside
        if outside <= 0.01:
            break
    assert best is not None
    return best


def _share_outside(pose: Pose, outline: Outline, half_angle: float) -> float:
    z = np.linspace(0, outline.length, 40, dtype=np.float32)
    half = outline.inner(z)
    out = 0.0
    for side in (-1, 1):
        x, y = pose.to_image(z, side * half)
        out += float(np.mean(np.abs(np.arctan2(x, y)) > half_angle - 0.01)) / 2
    return out
