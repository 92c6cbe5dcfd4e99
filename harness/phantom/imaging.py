"""The scanner: polar grid, point-spread blur, log compression and scan conversion.

Fields live on a polar grid (depth, angle). The model is the usual one of simulated B-mode images: complex circular Gaussian
scatterers times reflectivity, blurred by a separable point-spread function, envelope, log compression (Szabo, *Diagnostic
Ultrasound Imaging*, 2014, ch. 8 and 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.phantom.profiles import Array

# With the angle step half of the finest point spread (0.95 mm, 1.8°) or less, so that speckle is sampled.
DEPTH_STEP_MM = 0.5
ANGLE_STEP = float(np.deg2rad(0.6))


@dataclass(frozen=True, kw_only=True)
class Sector:
    """The fan of one acquisition and its two grids.

    ``depth_mm``, ``half_angle`` (radians) and ``pixel_mm`` give the image: H = depth / pixel rows, W = 2 sin(half angle) H
    columns, the transducer at the middle of the upper border.
    """

    depth_mm: float
    half_angle: float
    pixel_mm: float

    @cached_property
    def radii(self) -> Array:
        """Depths in mm of the polar grid's rows."""
        return np.arange(0, self.depth_mm + 2 * DEPTH_STEP_MM, DEPTH_STEP_MM, dtype=np.float32)

    @cached_property
    def angles(self) -> Array:
        """Angles in radians of the polar grid's columns; 0 is straight down, positive to the image's right."""
        count = int(np.ceil(self.half_angle / ANGLE_STEP)) + 2
        return (np.arange(-count, count + 1) * ANGLE_STEP).astype(np.float32)

    @property
    def polar_shape(self) -> tuple[int, int]:
        """(depths, angles)."""
        # Two rows and columns more than the fan: bilinear sampling needs a neighbour at every border.
        return len(self.radii), len(self.angles)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        rows = round(self.depth_mm / self.pixel_mm)
        return rows, 2 * round(self.depth_mm * np.sin(self.half_angle) / self.pixel_mm)

    def pixel_centres(self) -> tuple[Array, Array]:
        """x [1, W] and y [H, 1] of the pixel centres in mm."""
        height, width = self.image_shape
        x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) * np.float32(self.pixel_mm)
        y = (np.arange(height, dtype=np.float32) + 0.5) * np.float32(self.pixel_mm)
        return x[None, :].astype(np.float32), y[:, None]

    @cached_property
    def _inside(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]:
        x, y = self.pixel_centres()
        radius, angle = np.sqrt(x * x + y * y), np.arctan2(x, y + 0 * x)
        # Computed once per view: geometry does not change between frames.
        flat = np.flatnonzero((radius <= self.depth_mm) & (np.abs(angle) <= self.half_angle))
        row = radius.ravel()[flat] / np.float32(DEPTH_STEP_MM)
        column = (angle.ravel()[flat] - self.angles[0]) / np.float32(ANGLE_STEP)
        low_row, low_column = row.astype(np.intp), column.astype(np.intp)
        corner = low_row * len(self.angles) + low_column
        return flat, corner, (row - low_row).astype(np.float32), (column - low_column).astype(np.float32)

    def scan_convert(self, polar: Array) -> Array:
        """Bilinear scan conversion of a polar image [R, A] to [H, W]; 0 outside the fan."""
        flat, corner, down, right = self._inside
        values, lines = np.ascontiguousarray(polar).ravel(), len(self.angles)
        upper = values[corner] * (1 - right) + values[corner + 1] * right
        lower = values[corner + lines] * (1 - right) + values[corner + lines + 1] * right
        image = np.zeros(self.image_shape, np.float32)
        image.ravel()[flat] = upper + down * (lower - upper)
        return image

    def bin(self, x: Array, y: Array, weights: Array) -> Array:
        """Sum complex weights [2, N] of points at image mm (x, y) into the nearest cells: [2, R, A]."""
        row = (np.sqrt(x * x + y * y) * np.float32(1 / DEPTH_STEP_MM) + 0.5).astype(np.intp)
        column = ((np.arctan2(x, y) - self.angles[0]) * np.float32(1 / ANGLE_STEP) + 0.5).astype(np.intp)
        rows, lines = self.polar_shape
        # Points behind the transducer or beside the fan are lost, as on a scanner.
        keep = (row < rows) & (column >= 0) & (column < lines) & (y > 0)
        cell = (row * lines + column)[keep]
        parts = [np.bincount(cell, weights[k][keep], rows * lines) for k in range(2)]
        return np.stack(parts).astype(np.float32).reshape(2, rows, lines)


@dataclass(frozen=True, kw_only=True)
class PointSpread:
    """Separable Gaussian point spread whose widths grow with depth; white unit noise stays of unit variance.

    ``axial_mm`` and ``lateral`` (radians) are standard deviations of the amplitude at the surface and at full depth.
    """

    axial_mm: tuple[float, float]
    lateral: tuple[float, float]
    sector: Sector

    @cached_property
    def _axial(self) -> Array:
        radii = self.sector.radii
        sigma = np.linspace(*self.axial_mm, len(radii), dtype=np.float32)[:, None]
        return _unit_rows(np.exp(-0.5 * ((radii[None, :] - radii[:, None]) / sigma) ** 2))

    @cached_property
    def _lateral(self) -> tuple[Array, Array]:
        angles = self.sector.angles
        squared = (angles[None, :] - angles[:, None]) ** 2
        near, far = (_unit_rows(np.exp(-0.5 * squared / sigma**2)).T for sigma in self.lateral)
        return np.ascontiguousarray(near), np.ascontiguousarray(far)

    def blur(self, field: Array) -> Array:
        """Blur a complex field given as [2, R, A]."""
        blurred = np.matmul(self._axial, field)
        # A kernel per depth would be a product per row: two kernels, blended linearly over depth, come close to it.
        near, far = self._lateral
        weight = np.linspace(0, 1, field.shape[1], dtype=np.float32)[:, None]
        return np.matmul(blurred * (1 - weight), near) + np.matmul(blurred * weight, far)


def _unit_rows(kernel: Array) -> Array:
    # Unit energy and not unit sum: noise keeps its variance, which the levels in dB are relative to.
    return (kernel / np.sqrt((kernel**2).sum(1, keepdims=True))).astype(np.float32)


def power(field: Array) -> Array:
    """Squared envelope of a complex field [2, R, A]; unit noise has mean 1."""
    return (field[0] ** 2 + field[1] ** 2) * np.float32(0.5)


def log_compress(intensity: Array, dynamic_range_db: float) -> Array:
    """Grey levels above the noise floor: 255 per ``dynamic_range_db`` of ``1 + intensity``."""
    # 1 + is the noise floor: without it the logarithm of an empty pixel would be −inf.
    return np.log10(1 + intensity) * np.float32(10 * 255 / dynamic_range_db)
