"""The pictures between two stills: bases blended on the moving tissue, speckle from the process, sharpness kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.phantom.cine.flow import Flow
from harness.phantom.cine.labels import warped
from harness.phantom.cine.noise import Generator, Process, Texture, forgotten, weights
from harness.phantom.cine.speckle import Image, Mask, Parts, blur, fan_of, looked_up, nearest_inside, take_apart

BANDS_MM = (1.5, 4.0)
"""Borders of the two bands whose deviation is kept: without it middle frames are a fifth less sharp than the stills."""

_GAINS = (0.8, 1.4)
_MOST_TISSUE = 0.95
_NEAR_SHARE, _NEAR_MM = 0.8, 24.0
_SOFT_MM = 1.0
_STEP_MM, _STEP_DEG, _HALF_DEG = 0.4, 0.35, 50.0
_PACK = 64
_TISSUE = 0.5


@dataclass(frozen=True, kw_only=True)
class Stills:
    """What is known of the pair: pictures and masks uint8 [2, H, W] (ED, ES) and (row, column) pixel size in mm."""

    frames: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    spacing_mm: tuple[float, float]

    @cached_property
    def fan(self) -> Mask:
        """bool [H, W]: the sector, the same in every frame."""
        return fan_of(self.frames[0], self.frames[1], self.spacing_mm)

    @cached_property
    def nearest(self) -> NDArray[np.int64]:
        """int64 [H * W]: flat index of the fan's pixel nearest to each pixel (its own inside the fan)."""
        return nearest_inside(self.fan)

    @cached_property
    def parts(self) -> tuple[Parts, Parts]:
        """Base and speckle of ED and of ES."""
        first, last = (take_apart(frame, self.fan, self.nearest, self.spacing_mm) for frame in self.frames)
        return first, last

    def blood(self, phase: int) -> Mask:
        """bool [H, W]: LV and LA at ED (0) or ES (1)."""
        return np.isin(self.masks[phase], (LABELS["lv"], LABELS["la"]))

    def tissue_share(self, phase: int) -> Image:
        """float32 [H, W] in 0..1: how much of the speckle at a point moves with it rather than being new in every frame.

        It grows with brightness, as correlation does in the real half sequence (motion-compensated at lag 1: .24 .39 .57 .72 at
        grey 55-70, 70-90, 90-120, > 120). Near the transducer reverberation stands still whatever its brightness, with about .8
        of tissue's correlation.
        """
        return self._shares[phase]

    @cached_property
    def _shares(self) -> tuple[Image, Image]:
        return self._share(0), self._share(1)

    def _share(self, phase: int) -> Image:
        cavity, wall = self._levels
        contrast = max(wall - cavity, 1.0)
        base = blur(self.parts[phase].base, BANDS_MM[0], self.spacing_mm)
        bright = np.clip((base - cavity) / (1.2 * contrast), 0, _MOST_TISSUE)
        height, width = base.shape
        y, x = np.ogrid[:height, :width]
        depth = np.hypot((y + 0.5) * self.spacing_mm[0], (x + 0.5 - width / 2) * self.spacing_mm[1])
        near = np.exp(-((depth / _NEAR_MM) ** 4))
        share = (1 - near) * bright + near * _NEAR_SHARE
        # inside the cavities only what is as bright as the wall lasts: valve leaflets, trabeculae, papillary muscles
        leaflet = np.clip((base - wall) / (0.5 * contrast), 0, _MOST_TISSUE)
        blood = blur(self.blood(phase).astype(np.float32), _SOFT_MM, self.spacing_mm)
        return np.clip((1 - blood) * share + blood * leaflet, 0, _MOST_TISSUE).astype(np.float32)

    @cached_property
    def _levels(self) -> tuple[float, float]:
        """Mean grey of cavity and myocardium over both stills."""
        values = [float(self.frames[self.masks == LABELS[name]].mean()) for name in ("lv", "myo")]
        return values[0], values[1]


class Painter:
    """Paints the frames between two stills. Work is done on the fan's pixels alone, which are half of the picture.

    Args:
        stills: the pair.
        flow: the deformation.
        blend: [T] share of ES in each frame, from 0 to 1.
        rng: decides the speckle.
    """

    def __init__(self, stills: Stills, flow: Flow, blend: NDArray[np.float64], rng: Generator) -> None:
        self._stills, self._blend = stills, blend
        there = flow.at_pixels(stills.fan.shape, stills.spacing_mm).to_es(0)
        share = (stills.tissue_share(0) + warped(stills.tissue_share(1), there)) / 2
        ed, es = stills.parts
        self._layers = np.dstack([ed.base, ed.deviation, share]), np.dstack([es.base, es.deviation])
        self._targets = np.array([self._deviations(frame.astype(np.float32)) for frame in stills.frames])
        self._inside = np.flatnonzero(stills.fan)
        self._filled = np.concatenate([self._inside, np.repeat(self._inside[-1:], -len(self._inside) % _PACK)])
        self._polar = _polar_grid(stills.fan.shape, stills.spacing_mm)
        self._polar_share = warped(share, self._polar)
        self._own = self._polar_places(self._packed(_identity(stills.fan.shape)))
        self._carried, self._new = self._draw(rng)

    def paint(self, frame: int, at_ed: Image, at_es: Image) -> NDArray[np.uint8]:
        """uint8 [H, W]: one frame; ``at_ed`` and ``at_es`` say where each pixel lies in the stills, float32 [2, H, W]."""
        weight = np.float32(self._blend[frame])
        ed, es = self._stills.parts
        at_ed, at_es = self._packed(at_ed), self._packed(at_es)
        first, last = warped(self._layers[0], at_ed), warped(self._layers[1], at_es)
        base = (1 - weight) * first[..., 0] + weight * last[..., 0]
        deviation = (1 - weight) * first[..., 1] + weight * last[..., 1]
        to_ed, to_es, gain = weights(first[..., 2], frame, len(self._blend) - 1)
        carried, new = (
            _at_polar(self._carried[frame], self._polar_places(at_ed)),
            _at_polar(self._new[frame], self._own),
        )
        score = (
            to_ed * _sharp(ed.score, at_ed) + to_es * _sharp(es.score, at_es) + carried + forgotten(first[..., 2]) * new
        )
        quantiles = (1 - weight) * ed.quantiles + weight * es.quantiles
        image = self._unpacked(base + deviation * looked_up(quantiles, gain * score))
        return self._finished(image, float(weight))

    def _packed(self, image: Image) -> Image:
        """The fan's pixels of [2, H, W] as [2, n, 64], the last repeated to fill up: remapping wants two axes."""
        return image.reshape(2, -1)[:, self._filled].reshape(2, -1, _PACK)

    def _unpacked(self, values: Image) -> Image:
        """float32 [H, W] of the fan's pixels; outside it, where sharpening would else see an edge, the nearest of them."""
        image = np.zeros(self._stills.fan.size, dtype=np.float32)
        image[self._inside] = values.reshape(-1)[: len(self._inside)]
        return image[self._stills.nearest].reshape(self._stills.fan.shape)

    def _finished(self, image: Image, weight: float) -> NDArray[np.uint8]:
        """Grey levels, once the two finest bands have the deviation in the fan that the blend of the stills' is."""
        fan = self._stills.fan
        fine, middle, coarse = self._bands(image)
        wanted = (1 - weight) * self._targets[0] + weight * self._targets[1]
        got = np.array([band[fan].std() for band in (fine, middle)])
        gains = np.clip(wanted / np.maximum(got, 1e-3), *_GAINS).astype(np.float32)
        painted = np.clip(np.rint(coarse + gains[0] * fine + gains[1] * middle), 0, 255).astype(np.uint8)
        painted[~fan] = 0
        return painted

    def _deviations(self, picture: Image) -> tuple[float, float]:
        fan = self._stills.fan
        fine, middle, _ = self._bands(picture.reshape(-1)[self._stills.nearest].reshape(fan.shape))
        return float(fine[fan].std()), float(middle[fan].std())

    def _bands(self, image: Image) -> tuple[Image, Image, Image]:
        narrow, wide = (blur(image, width, self._stills.spacing_mm) for width in BANDS_MM)
        return image - narrow, narrow - wide, wide

    def _draw(self, rng: Generator) -> tuple[list[Image], list[Image]]:
        """Noise of every frame on polar grids: what the tissue carries, x_t - l0 x_0 - l1 x_N, and what is new in the frame.

        In polar coordinates the scanner's point spread is the same everywhere. What is carried lies where its tissue lies at ED;
        what is new lies in the frame itself: carried too, blood would show the streaks of a squeezed cavity.
        """
        share, last = self._polar_share, len(self._blend) - 1
        texture = self._texture(rng)
        process = Process(texture, share)
        lasting = [process.next() for _ in self._blend]
        new = [texture.draw(texture.blood) for _ in self._blend]
        first, final = (lasting[end] + forgotten(share) * new[end] for end in (0, -1))
        carried = []
        for frame, field in enumerate(lasting):
            to_ed, to_es, _ = weights(share, frame, last)
            carried.append(field - to_ed * first - to_es * final)
        return carried, new

    def _texture(self, rng: Generator) -> Texture:
        samples: tuple[list[Image], list[Image]] = ([], [])
        for phase, parts in enumerate(self._stills.parts):
            blood = self._stills.blood(phase)
            tissue = ~blood & (self._stills.tissue_share(phase) > _TISSUE)
            for kind, inside in zip(samples, (tissue, blood), strict=True):
                kind.append(warped(parts.score * (inside & self._stills.fan), self._polar))
        return Texture.of(rng, np.stack(samples[0]), np.stack(samples[1]))

    def _polar_places(self, at: Image) -> Image:
        """Pixel positions [2, ...] (x, y) in a still as positions (angle, radius) on the polar grids."""
        dy, dx = self._stills.spacing_mm
        middle = self._stills.fan.shape[1] / 2 - 0.5
        x, y = (at[0] - np.float32(middle)) * np.float32(dx), (at[1] + np.float32(0.5)) * np.float32(dy)
        # angles are from the vertical, so the axes change places
        radius, angle = cv2.cartToPolar(y, x, angleInDegrees=True)
        angle[angle > 180] -= 360
        return np.stack([(angle + np.float32(_HALF_DEG)) / np.float32(_STEP_DEG), radius / np.float32(_STEP_MM)])


def _identity(shape: tuple[int, int]) -> Image:
    columns, rows = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return np.stack([columns, rows])


def _at_polar(field: Image, places: Image) -> Image:
    return np.asarray(cv2.remap(field, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _sharp(image: Image, at: Image) -> Image:
    """Cubic sampling: linear would take a tenth of the speckle's deviation."""
    return np.asarray(cv2.remap(image, at[0], at[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def _polar_grid(shape: tuple[int, int], spacing_mm: tuple[float, float]) -> Image:
    """float32 [2, R, A]: pixel positions (x, y) of a polar grid whose apex is the middle of the upper border."""
    deepest = float(np.hypot(shape[0] * spacing_mm[0], shape[1] * spacing_mm[1] / 2))
    radius = np.arange(0, deepest, _STEP_MM, dtype=np.float32)[:, None]
    angle = np.deg2rad(np.arange(-_HALF_DEG, _HALF_DEG, _STEP_DEG, dtype=np.float32))[None, :]
    x = radius * np.sin(angle) / np.float32(spacing_mm[1]) + np.float32(shape[1] / 2 - 0.5)
    y = radius * np.cos(angle) / np.float32(spacing_mm[0]) - np.float32(0.5)
    return np.stack([x, y]).astype(np.float32)
