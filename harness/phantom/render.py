"""Rendering one view: grey frames and exact masks of a half sequence or of whole cycles. Pure: the same generator state gives the same pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.phantom.anatomy import ViewAnatomy
from harness.phantom.imaging import PointSpread, Sector, log_compress, power
from harness.phantom.patient import Acquisition
from harness.phantom.pose import Pose
from harness.phantom.profiles import Array, Outline
from harness.phantom.quality import Appearance, draw_appearance
from harness.phantom.recording import Recording
from harness.phantom.tissue import Scatterers, is_leaflet, move, place_scatterers, swing

Generator = np.random.Generator

_TISSUE, _NEAR = (0.69, 0.62), (0.76, 0.6)
"""Share of the speckle that lasts and memory per frame of the rest: the correlation of the complex field at lag k is
share + (1 - share) memory^k, and the envelope's about its square."""

_CALIBRATED_HZ, _LASTING_FRAMES = 50.0, 60.0
"""Frame rate that the memories per frame were set at, and the frames after which what lasts has fallen to 1/e."""

_FWHM = 2.3548
# The myocardium of CAMUS ends in a small point below the mitral plane.
_WEDGE_MM = 4.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """frames uint8 [T, H, W], masks uint8 [T, H, W] with the ids of ``harness.clip.LABELS``, both in time order."""

    frames: NDArray[np.uint8]
    masks: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Instant:
    """One frame: phase, opening of the valve, and the shift of ``Recording.shifts`` (None: the heart lies where its pose says)."""

    phase: float
    opening: float = 0.0
    shift: tuple[float, ...] | None = None

    def pose(self, view: ViewAnatomy) -> Pose:
        pose = view.pose(self.phase)
        return pose if self.shift is None else pose.moved(*self.shift)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Grain:
    """How speckle lasts: share that lasts, memory per frame of the rest and of what lasts, for tissue and near field."""

    tissue: tuple[float, float, float] = (*_TISSUE, 1.0)
    near: tuple[float, float, float] = (*_NEAR, 1.0)

    @classmethod
    def over_time(cls, rate_hz: float) -> _Grain:
        """The same decay per second at any frame rate, and a pattern that does not come back whole with the next beat.

        In a real loop the residual's correlation at one beat is 0.09 to 0.14 where the half sequence's law would leave about a half.
        """
        frames = _CALIBRATED_HZ / rate_hz
        lasting = float(np.exp(-frames / _LASTING_FRAMES))
        return cls(tissue=(_TISSUE[0], _TISSUE[1] ** frames, lasting), near=(_NEAR[0], _NEAR[1] ** frames, lasting))


def render_clip(
    rng: Generator, view: ViewAnatomy, acquisition: Acquisition, pixel_mm: float, *, any_rate: bool = False
) -> Rendered:
    """Render the half sequence of one view at a pixel size in mm, in the acquisition's time order.

    ``any_rate``: let speckle decay by time and not by frame, for frame rates unlike those of CAMUS.
    """
    instants = [_Instant(phase=float(phase)) for phase in acquisition.phases()]
    grain = _Grain.over_time(acquisition.frame_rate_hz) if any_rate else _Grain()
    return _render(rng, view, acquisition, pixel_mm, instants, grain, (0.0, 0.0))


def render_recording(
    rng: Generator, view: ViewAnatomy, acquisition: Acquisition, recording: Recording, pixel_mm: float
) -> Rendered:
    """Render the whole cycles of one view: the acquisition's sector and quality, the recording's beats and motion."""
    still = not recording.shifts.any()
    instants = [
        _Instant(phase=float(phase), opening=float(opening), shift=None if still else tuple(map(float, shift)))
        for phase, opening, shift in zip(recording.phases, recording.opening, recording.shifts, strict=True)
    ]
    margins = (0.0, 0.0) if still else _margins(recording, acquisition.depth_mm)
    return _render(rng, view, acquisition, pixel_mm, instants, _Grain.over_time(recording.rate_hz), margins)


def _margins(recording: Recording, depth_mm: float) -> tuple[float, float]:
    """Depth (mm) and angle (radians) beyond the fan from which motion brings tissue into it."""
    distance, turn = recording.reach
    # Near the transducer a shift is a wide angle: what is missing there lies under the near field's own echoes.
    return distance, turn + distance / (0.35 * depth_mm)


def _render(
    rng: Generator,
    view: ViewAnatomy,
    acquisition: Acquisition,
    pixel_mm: float,
    instants: Sequence[_Instant],
    grain: _Grain,
    margins: tuple[float, float],
) -> Rendered:
    sector = Sector(depth_mm=acquisition.depth_mm, half_angle=acquisition.half_angle, pixel_mm=pixel_mm)
    look = draw_appearance(rng, acquisition.quality, acquisition.half_angle)
    scatterers = place_scatterers(rng, view, sector, look, *margins)
    polar = _polar_frames(rng, view, scatterers, sector, look, instants, grain)
    frames = [np.clip(np.rint(sector.scan_convert(image)), 0, 255).astype(np.uint8) for image in polar]
    masks = [_mask(view.outline(item.phase), item.pose(view), sector) for item in instants]
    return Rendered(frames=np.stack(frames), masks=np.stack(masks))


def _polar_frames(
    rng: Generator,
    view: ViewAnatomy,
    points: Scatterers,
    sector: Sector,
    look: Appearance,
    instants: Sequence[_Instant],
    grain: _Grain,
) -> Iterator[Array]:
    spread = _point_spread(sector, look)
    veil = Veil.of(sector, look)
    # Two kinds of speckle: the wall's keeps part of its pattern from frame to frame, the near field's keeps more of it.
    tissue, near = Flicker(rng, (len(points.z),), *grain.tissue), Flicker(rng, sector.polar_shape, *grain.near)
    leaflet = is_leaflet(points.z, points.u, view.ed, look)
    for item in instants:
        outline, pose = view.outline(item.phase), item.pose(view)
        z, u = move(points.z, points.u, view.ed, outline)
        if item.opening > 0:
            closed = z[leaflet], u[leaflet]
            z[leaflet], u[leaflet] = swing(
                points.z[leaflet], points.u[leaflet], closed, view.ed, outline, look, item.opening
            )
        x, y = pose.to_image(z, u)
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
    """Complex Gaussian noise [2, *shape] of unit variance of which a share lasts and the rest is forgotten frame by frame.

    With ``lasting`` below 1 the share that lasts is forgotten too, slowly: by that factor per frame.
    """

    def __init__(
        self, rng: Generator, shape: tuple[int, ...], share: float, memory: float, lasting: float = 1.0
    ) -> None:
        self._rng, self._memory = rng, np.float32(memory)
        self._weights = np.float32(np.sqrt(share)), np.float32(np.sqrt(1 - share))
        self._fresh_weight = np.float32(np.sqrt(1 - memory**2))
        self._lasting, self._passing = _noise(rng, *shape), _noise(rng, *shape)
        self._lasting_memory, self._renewed = np.float32(lasting), np.float32(np.sqrt(1 - lasting**2))

    def next(self) -> Array:
        """The next frame's noise."""
        lasting, passing = self._weights
        noise = lasting * self._lasting + passing * self._passing
        if self._renewed:
            self._lasting = self._lasting_memory * self._lasting + self._renewed * _noise(
                self._rng, *self._lasting.shape[1:]
            )
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
    return _mask(view.outline(phase), view.pose(phase), sector)


def _mask(outline: Outline, pose: Pose, sector: Sector) -> NDArray[np.uint8]:
    return _labels(*pose.to_local(*sector.pixel_centres()), outline)


def _labels(z: Array, u: Array, outline: Outline) -> NDArray[np.uint8]:
    inner, outer, distance = outline.inner(z, u), outline.outer(z, u), np.abs(u)
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
