"""Filling a polygon on the pixel grid by the rule that EchoNet-Dynamic's published masks were made with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fill_polygon(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre lies in the closed polygon with whole-numbered vertices.

    A centre belongs to the polygon when it is a vertex or when the ray to its right or the ray to its left
    crosses the outline an odd number of times (Hao et al., Symmetry 10(10):477, 2018); this is what
    ``skimage.draw.polygon`` fills. Pixels outside ``shape`` are cut off. A scan-line fill that paints every pixel
    the outline touches, such as ``cv2.fillPoly``, gives larger masks.

    Args:
        rows, columns: vertices [n] in order; the outline is closed from the last to the first.
        shape: (height, width).

    Returns:
        bool [height, width].
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    vertex = np.zeros(shape, dtype=bool)
    right, left = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for index in range(len(rows)):
        y0, x0 = rows[index - 1] - y, columns[index - 1] - x
        y1, x1 = rows[index] - y, columns[index] - x
        vertex |= (x1 == 0) & (y1 == 0)
        side = (x1 * y0 - x0 * y1) * np.sign(y0 - y1)  # the sign of where the edge meets the pixel's own row
        right ^= ((y1 > 0) != (y0 > 0)) & (side > 0)
        left ^= ((y1 < 0) != (y0 < 0)) & (side < 0)
    return vertex | right | left
