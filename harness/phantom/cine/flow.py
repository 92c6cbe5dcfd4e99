"""The deformation of a pair of stills: the flow of its landmarks, without folds, in both directions at every frame.

Landmarks move on straight lines x_i(s) = p_i + s (q_i - p_i). At each s the velocity is the smoothed kernel interpolant
v_s(x) = sum_i k(|x - x_i(s)|) w_i with (K + lambda I) w = q - p and the Matern kernel k(r) = (1 + r/sigma) exp(-r/sigma), so
that the flow is a diffeomorphism up to its discretisation (Joshi and Miller, IEEE TIP 9(8), 2000, for the principle).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.linalg import cho_factor, cho_solve

from harness.phantom.cine.landmarks import Landmarks
from harness.phantom.cine.outlines import Array

Maps = NDArray[np.float32]

_SHORTEST = 1 / 120  # landmarks that cross ask for ever shorter steps; longer ones fold, which refuses them as well

KERNEL_MM = 20.0
"""Width of the kernel: half a cavity, so that the wall's motion is smooth through the cavity and dies out in the surroundings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowSettings:
    """How finely a flow is integrated and how strictly landmarks are met.

    Attributes:
        grid_mm: spacing of the grid on which the maps are integrated.
        bound: largest ``step * |gradient of v|``: below 1 a step cannot fold.
        stiffness: lambda; 0 meets the landmarks exactly.
        rings_mm: distances of the resting rings from the hearts.
        atrium: whether the atrium's landmarks are used.
    """

    grid_mm: float = 2.5
    bound: float = 0.2
    stiffness: float = 0.003
    rings_mm: tuple[float, ...] = (12.0, 20.0)
    atrium: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Both maps of every frame on a grid that covers the picture.

    Attributes:
        back: float32 [T, Y, X, 2], for each grid point of the frame the (x, y) in mm where its tissue lies at ED.
        to_es: the same at ES.
        grid_mm: (x, y) spacing of the grid; its first point is (0, 0), the picture's corner.
        least_jacobian: smallest determinant of either map's gradient over all frames and cells.
        miss_mm: how far landmarks end from where they should, 95th percentile.
    """

    back: Maps
    to_es: Maps
    grid_mm: tuple[float, float]
    least_jacobian: float
    miss_mm: float

    def at_pixels(self, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> PixelMaps:
        """The maps at the pixels of a picture [H, W]."""
        return PixelMaps(self, shape, spacing_mm)


class PixelMaps:
    """Where each pixel of a frame lies in the stills, float32 [2, H, W]: x and y as pixel positions, for ``cv2.remap``.

    Linear between grid points: the determinant of a bilinear map is linear in each cell, so that ``least_jacobian``, which looks
    at the cells' corners, holds for every pixel. Two products with interpolation weights: OpenCV's own warps round positions to
    1/32 of a cell, which is a quarter of a pixel here.
    """

    def __init__(self, flow: Flow, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> None:
        self._flow = flow
        # the middle of pixel (row, column) is at ((column + 1/2) dx, (row + 1/2) dy), the grid's first node at (0, 0)
        (dy, dx), (step_x, step_y) = spacing_mm, flow.grid_mm
        self._rows = _linear((np.arange(shape[0]) + 0.5) * dy / step_y, flow.back.shape[1])
        self._columns = _linear((np.arange(shape[1]) + 0.5) * dx / step_x, flow.back.shape[2]).T.copy()
        self._pixel = np.array([dx, dy], dtype=np.float32)

    def back(self, frame: int) -> Maps:
        """Positions in the ED still of a frame's pixels."""
        return self._dense(self._flow.back[frame])

    def to_es(self, frame: int) -> Maps:
        """Positions in the ES still of a frame's pixels."""
        return self._dense(self._flow.to_es[frame])

    def _dense(self, grid: Maps) -> Maps:
        planes = np.moveaxis(grid / self._pixel - np.float32(0.5), -1, 0)
        return np.stack([self._rows @ plane @ self._columns for plane in planes])


def _linear(positions: NDArray, nodes: int) -> Maps:
    """float32 [n, nodes]: weights of linear interpolation at positions in units of the grid's spacing."""
    first = np.clip(np.floor(positions).astype(int), 0, nodes - 2)
    weights = np.zeros((len(positions), nodes), dtype=np.float32)
    index = np.arange(len(positions))
    weights[index, first], weights[index, first + 1] = 1 - (positions - first), positions - first
    return weights


def integrate(
    landmarks: Landmarks, resting: Array, size_mm: tuple[float, float], phases: Array, settings: FlowSettings
) -> Flow:
    """Integrate the flow of landmarks to the phases of all frames.

    Args:
        landmarks: positions at ED and ES.
        resting: [m, 2] points without motion.
        size_mm: (height, width) of the picture.
        phases: [T] ascending from 0 (ED) to 1 (ES).
        settings: discretisation and stiffness.
    """
    nodes, step = _grid(size_mm, settings.grid_mm)
    field = _Velocity(landmarks, resting, settings.stiffness, nodes)
    steepest = max(field.steepest(0.0, step), field.steepest(1.0, step))
    times = _times(phases, max(settings.bound / steepest, _SHORTEST))
    velocities = [field.at((start + end) / 2) for start, end in itertools.pairwise(times)]
    frames = np.searchsorted(times, phases - 1e-12)
    back = _compose(nodes, step, velocities, np.diff(times), backward=True)[frames]
    to_es = _compose(nodes, step, velocities[::-1], np.diff(times)[::-1], backward=False)[::-1][frames]
    least = min(float(jacobians(maps, step).min()) for maps in (back, to_es))
    return Flow(back=back, to_es=to_es, grid_mm=step, least_jacobian=least, miss_mm=field.miss_mm)


def jacobians(maps: Maps, grid_mm: tuple[float, float]) -> NDArray[np.float32]:
    """[..., Y-1, X-1, 4]: determinants of a bilinear map's gradient at the corners of each cell."""
    along_x = np.diff(maps, axis=-2) / np.float32(grid_mm[0])
    along_y = np.diff(maps, axis=-3) / np.float32(grid_mm[1])
    corners = []
    for top in (slice(None, -1), slice(1, None)):
        for left in (slice(None, -1), slice(1, None)):
            dx, dy = along_x[..., top, :, :], along_y[..., left, :]
            corners.append(dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0])
    return np.stack(corners, axis=-1)


class _Velocity:
    """The velocity field of moving landmarks on the grid's nodes [Y, X, 2], as a polynomial in s.

    Landmarks move a fraction of the kernel's width, so the field changes smoothly with s: through six Chebyshev nodes the
    polynomial is within 0.01 mm of the field, for a third of the time (a test holds it).
    """

    def __init__(self, landmarks: Landmarks, resting: Array, stiffness: float, nodes: Maps, degree: int = 5) -> None:
        self._start = np.concatenate([landmarks.ed, resting])
        self._motion = np.concatenate([landmarks.es - landmarks.ed, np.zeros_like(resting)])
        self._stiffness = stiffness
        self._nodes = nodes
        self._moments = 0.5 - 0.5 * np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        solved = [self._weights(s) for s in self._moments]
        self._fields = np.stack([self._exactly(s, weights) for s, weights in zip(self._moments, solved, strict=True)])
        self.miss_mm = max(self._miss(weights) for weights in solved)

    def at(self, s: float) -> Maps:
        """float32 [Y, X, 2] in mm per unit of s."""
        gaps = self._moments[:, None] - self._moments[None, :] + np.eye(len(self._moments))
        factors = np.where(np.eye(len(gaps), dtype=bool), 1.0, (s - self._moments[None, :]) / gaps)
        return np.tensordot(factors.prod(axis=1).astype(np.float32), self._fields, axes=1)

    def steepest(self, s: float, step: tuple[float, float]) -> float:
        """Largest absolute derivative of the velocity between neighbouring nodes."""
        field = self.at(s)
        return max(float(np.abs(np.diff(field, axis=axis)).max()) / step[1 - axis] for axis in (0, 1)) + 1e-9

    def _weights(self, s: float) -> Array:
        points = self._start + s * self._motion
        gram = _kernel(_distances(points, points)) + self._stiffness * np.eye(len(points))
        return np.asarray(cho_solve(cho_factor(gram), self._motion))

    def _exactly(self, s: float, weights: Array) -> Maps:
        points = (self._start + s * self._motion).astype(np.float32)
        field = _kernel(_distances(self._nodes.reshape(-1, 2), points)) @ weights.astype(np.float32)
        return np.asarray(field.reshape(self._nodes.shape))

    def _miss(self, weights: Array) -> float:
        """What the smoothing leaves of the landmarks' motion, (K w - (q - p)) = -lambda w: the 95th percentile in mm."""
        return float(np.percentile(self._stiffness * np.hypot(*weights.T), 95))


def _distances(one: NDArray, other: NDArray) -> NDArray:
    squared = (one**2).sum(1)[:, None] + (other**2).sum(1)[None, :] - 2 * (one @ other.T)
    return np.sqrt(np.maximum(squared, 0))


def _kernel(distance: NDArray) -> NDArray:
    scaled = distance / distance.dtype.type(KERNEL_MM)
    return (1 + scaled) * np.exp(-scaled)


def _grid(size_mm: tuple[float, float], wanted_mm: float) -> tuple[Maps, tuple[float, float]]:
    """Nodes float32 [Y, X, 2] from corner to corner of the picture, and their (x, y) spacing."""
    height, width = size_mm
    rows, columns = int(np.ceil(height / wanted_mm)), int(np.ceil(width / wanted_mm))
    x, y = np.meshgrid(np.linspace(0, width, columns + 1), np.linspace(0, height, rows + 1))
    return np.stack([x, y], axis=-1).astype(np.float32), (width / columns, height / rows)


def _times(phases: Array, largest: float) -> Array:
    """All phases, and between them as many equal steps as keep each below ``largest``."""
    pieces = [np.array([phases[0]])]
    for start, end in itertools.pairwise(phases):
        pieces.append(np.linspace(start, end, max(1, int(np.ceil((end - start) / largest))) + 1)[1:])
    return np.concatenate(pieces)


def _compose(nodes: Maps, step: tuple[float, float], velocities: list[Maps], spans: Array, *, backward: bool) -> Maps:
    """[len(spans) + 1, Y, X, 2]: the identity, then the map after each step.

    back_{s+d}(x) = back_s(x - d v) and to_{s-d}(x) = to_s(x + d v), v taken half a step on the way (midpoint rule).
    """
    sign = np.float32(-1 if backward else 1)
    maps = [nodes]
    for velocity, span in zip(velocities, spans, strict=True):
        half = _sample(velocity, nodes + sign * np.float32(span / 2) * velocity, step)
        moved = nodes + sign * np.float32(span) * half
        # displacements are sampled, not positions: beyond the picture's border they go on as they are at it
        maps.append(moved + _sample(maps[-1] - nodes, moved, step))
    return np.stack(maps)


def _sample(field: Maps, at: Maps, step: tuple[float, float]) -> Maps:
    """The grid's field [Y, X, 2] at positions [Y, X, 2] in mm, by cubic splines.

    Each step samples what the last one gave: with OpenCV's remapping, which rounds positions to 1/32 of a cell, the two
    directions of one flow part by 1.5 mm; with splines by 0.02 mm.
    """
    places = at[..., 1] / np.float32(step[1]), at[..., 0] / np.float32(step[0])
    sampled = [ndimage.map_coordinates(field[..., axis], places, order=3, mode="nearest") for axis in (0, 1)]
    return np.stack(sampled, axis=-1)
