"""Rendering one view: grey frames and exact masks of a half sequence. Pure: the same generator state gives the same pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.phantom.anatomy import ViewAnatomy
from harness.phantom.imaging import PointSpread, Sector, log_compress, power
from harness.phantom.patient import Acquisition
from harness.phantom.profiles import Array, Outline
from harness.phantom.quality import Appearance, draw_appearance
from harness.phantom.tissue import Scatterers, move, place_scatterers

Generator = np.random.Generator

_TISSUE, _NEAR = (0.69, 0.62), (0.76, 0.6)
"""Share of the speckle that lasts and memory per frame of the rest: the correlation of the complex field at lag k is
share + (1 - share) memory^k, and the envelope's about its square."""

_FWHM = 2.3548
# The myocardium of CAMUS ends in a small point below the mitral plane.
_WEDGE_MM = 4.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """frames uint8 [T, H, W], masks uint8 [T, H, W] with the ids of ``harness.clip.LABELS``, both in time order."""

    frames: NDArray[np.uint8]
    masks: NDArray[np.uint8]


def render_clip(rng: Generator, view: ViewAnatomy, acquisition: Acquisition, pixel_mm: float) -> Rendered:
    """Render the half sequence of one view at a pixel size in mm, in the acquisition's time order."""
    sector = Sector(depth_mm=acquisition.depth_mm, half_angle=acquisition.half_angle, pixel_mm=pixel_mm)
    look = draw_appearance(rng, acquisition.quality, acquisition.half_angle)
    scatterers = place_scatterers(rng, view, sector, look)
    phases = acquisition.phases()
    polar = _polar_frames(rng, view, scatterers, sector, look, phases)
    frames = [np.clip(np.rint(sector.scan_convert(image)), 0, 255).astype(np.uint8) for image in polar]
    masks = [render_mask(view, float(phase), sector) for phase in phases]
    return Rendered(frames=np.stack(frames), masks=np.stack(masks))


def _polar_frames(
    rng: Generator, view: ViewAnatomy, points: Scatterers, sector: Sector, look: Appearance, phases: np.ndarray
) -> Iterator[Array]:
    spread = _point_spread(sector, look)
    veil = Veil.of(sector, look)
    # Two kinds of speckle: the wall's keeps part of its pattern from frame to frame, the near field's keeps more of it.
    tissue, near = Flicker(rng, (len(points.z),), *_TISSUE), Flicker(rng, sector.polar_shape, *_NEAR)
    for phase in phases:
        outline, pose = view.outline(float(phase)), view.pose(float(phase))
        x, y = pose.to_image(*move(points.z, points.u, view.ed, outline))
        field = sector.bin(x, y, tissue.next() * points.amplitude)
        # Haze and near field are added before the blur: they are echoes too and get the scanner's grain.
        field += _noise(rng, *sector.polar_shape) * veil.haze + near.next() * veil.static
        intensity = power(spread.blur(field)) * veil.gain
        yield np.clip((log_compress(intensity, look.dynamic_range_db) + look.offset) * veil.shade, 0, 255)


def _point_spread(sector: Sector, look: Appearance) -> PointSpread:
    axial, lateral = look.axial_fwhm_mm / _FWHM, np.deg2rad(look.lateral_fwhm_deg) / _FWHM
    return PointSpread(axial_mm=(axial, 1.45 * axial), lateral=(lateral, 1.35 * lateral), sector=sector)


def _noise(rng: Generator, *shape: int) -> Array:
    return rng.standard_normal((2, *shape), dtype=np.float32)


class Flicker:
    """Complex Gaussian noise [2, *shape] of unit variance of which a share lasts and the rest is forgotten frame by frame."""

    def __init__(self, rng: Generator, shape: tuple[int, ...], share: float, memory: float) -> None:
        self._rng, self._memory = rng, np.float32(memory)
        self._weights = np.float32(np.sqrt(share)), np.float32(np.sqrt(1 - share))
        self._fresh_weight = np.float32(np.sqrt(1 - memory**2))
        self._lasting, self._passing = _noise(rng, *shape), _noise(rng, *shape)

    def next(self) -> Array:
        """The next frame's noise."""
        lasting, passing = self._weights
        noise = lasting * self._lasting + passing * self._passing
        # An AR(1) process of unit variance: correlation memory^k at lag k.
        self._passing = self._memory * self._passing + self._fresh_weight * _noise(self._rng, *self._passing.shape[1:])
        return noise


@dataclass(frozen=True, kw_only=True, slots=True)
class Veil:
    """Polar maps [R, A] that do not move with the heart: amplitude of moving and of static haze, gain, shade."""

    haze: Array
    static: Array
    gain: Array
    shade: Array

    @classmethod
    def of(cls, sector: Sector, look: Appearance) -> Veil:
        """Maps of one view."""
        radius, angle = sector.radii[:, None], sector.angles[None, :]
        haze_db = look.haze_db * np.exp(-((radius / 60) ** 2)) + 0 * angle
        near = 10 ** (look.near_db / 10) * np.exp(-((radius / look.near_mm) ** 2))
        blob = np.exp(-(((radius - look.clutter_mm) / 22) ** 2) - ((angle - look.clutter_angle) / 0.2) ** 2)
        static = np.sqrt(near + 10 ** (look.clutter_db / 10) * blob)
        # Time gain compensation turned up for what is deep, as in most recordings.
        deep = np.clip((radius - 120) / 40, 0, 1.5) * look.deep_gain_db
        shade = _shade(radius, angle, look)
        return cls(
            haze=(10 ** (haze_db / 20)).astype(np.float32),
            static=static.astype(np.float32),
            gain=(10 ** (deep / 10) * shade**2 + 0 * angle).astype(np.float32),
            shade=shade.astype(np.float32),
        )


def _shade(radius: Array, angle: Array, look: Appearance) -> Array:
    total = np.ones(np.broadcast_shapes(radius.shape, angle.shape), np.float32)
    for shadow in look.shadows:
        across = np.exp(-(((angle - shadow.centre) / shadow.width) ** 2))
        begun = 1 / (1 + np.exp(-(radius - shadow.start_mm) / 4))
        total *= 1 - (1 - shadow.remaining) * across * begun
    return total


def render_mask(view: ViewAnatomy, phase: float, sector: Sector) -> NDArray[np.uint8]:
    """Exact label map uint8 [H, W] at a phase: a pixel belongs to the structure that holds its centre.

    As in CAMUS the wall may leave the sector and the atrium is cut by the image's lower border only.
    """
    outline = view.outline(phase)
    x, y = sector.pixel_centres()
    z, u = view.pose(phase).to_local(x, y)
    return _labels(z, np.abs(u), outline)


def _labels(z: Array, distance: Array, outline: Outline) -> NDArray[np.uint8]:
    inner, outer = outline.inner(z), outline.outer(z)
    ventricle = z <= outline.length
    base = outline.base * outline.width / 2
    middle = np.clip(1 - np.abs((distance - base) / outline.base_wall - 0.5) * 2, 0, 1)
    wedge = (z > outline.length) & (z < outline.length + _WEDGE_MM * middle) & (distance > base)
    labels = np.zeros(z.shape, np.uint8)
    # Myocardium first, then what lies inside it: a pixel ends up with the innermost structure.
    labels[(ventricle & (distance < outer)) | wedge] = LABELS["myo"]
    labels[ventricle & (distance < inner)] = LABELS["lv"]
    labels[~ventricle & (distance < inner) & ~wedge] = LABELS["la"]
    return labels
