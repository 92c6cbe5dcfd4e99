"""Masks that tests draw: ellipses, random blobs, spurious specks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter


def ellipse(
    shape: tuple[int, int],
    centre: tuple[float, float],
    radii: tuple[float, float],
    spacing: tuple[float, float] = (1.0, 1.0),
    tilt_degrees: float = 0.0,
) -> NDArray[np.bool_]:
    """Pixels whose centre lies in an ellipse; centre and radii (row, column) in the unit of the spacing."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = rows * spacing[0] - centre[0], columns * spacing[1] - centre[1]
    angle = np.radians(tilt_degrees)
    along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    return np.asarray((along / radii[0]) ** 2 + (across / radii[1]) ** 2 < 1)


def blob(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """A smooth random shape in a size x size image; it may touch the border, have holes or be in parts."""
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    noise = gaussian_filter(rng.normal(size=(size, size)), size / 16, mode="reflect")
    noise /= max(noise.std(), 1e-9)
    radius = np.hypot((rows - rng.normal(0, 0.1)) / 0.35, (columns - rng.normal(0, 0.1)) / 0.25)
    return np.asarray(radius + 0.25 * noise < 1)
