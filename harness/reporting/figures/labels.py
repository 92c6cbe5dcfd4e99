"""Names beside points, placed so that they cover neither each other nor any point or interval."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

_DIRECTIONS = ((1, 0.35), (-1, 0.35), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
_DISTANCES = (2.0, 7.0, 13.0)
_PADDING = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A point in data coordinates with its name, the radius of its marker in points, and the ends of its interval."""

    x: float
    y: float
    name: str
    radius: float
    low: float
    high: float


def place_labels(axes: Axes, points: Sequence[Point], size: float = 7.0) -> None:
    """Write each point's name at the nearest free place around it; a thin line leads to places further away.

    Call it last, when limits and scales are final: places are found in pixels of the laid-out figure.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    FigureCanvasAgg(figure)
    # A constrained layout moves the axes when it is drawn first; places in pixels hold only after that.
    figure.draw_without_rendering()
    pixels = figure.dpi / 72
    taken = [box for point in points for box in _obstacles(axes, point, pixels)]
    frame = axes.get_window_extent()
    for point in sorted(points, key=lambda one: one.x):
        x, y = axes.transData.transform((point.x, point.y))
        label = axes.annotate(point.name, (point.x, point.y), fontsize=size, zorder=4)
        # A label that counts for the layout would move the axes, and with them all other labels.
        label.set_in_layout(False)
        extent = label.get_window_extent()
        width, height = extent.width, extent.height
        options = [
            (distance, _box(x, y, width, height, direction, (point.radius + distance) * pixels))
            for distance, direction in itertools.product(_DISTANCES, _DIRECTIONS)
        ]
        # What covers least, then what lies nearest: greedy, which a dozen names allow.
        distance, best = min(options, key=lambda option: (_cost(option[1], taken, frame), option[0]))
        # It was only there to be measured.
        label.remove()
        arrow = {"arrowstyle": "-", "linewidth": 0.5, "color": "0.4", "shrinkA": 0, "shrinkB": point.radius}
        place = ((best.x0 - x) / pixels, (best.y0 - y) / pixels)
        far = distance > _DISTANCES[0]
        axes.annotate(
            point.name,
            (point.x, point.y),
            xytext=place,
            textcoords="offset points",
            fontsize=size,
            zorder=4,
            arrowprops=arrow if far else None,
        ).set_in_layout(False)
        # Later labels keep clear of this one too.
        taken.append(best)


def _obstacles(axes: Axes, point: Point, pixels: float) -> list[Bbox]:
    """The boxes, in pixels, of a point's marker and interval."""
    x, y = axes.transData.transform((point.x, point.y))
    reach = point.radius * pixels
    boxes = [Bbox([[x - reach, y - reach], [x + reach, y + reach]])]
    if np.isfinite(point.low) and np.isfinite(point.high):
        ends = axes.transData.transform([(point.x, point.low), (point.x, point.high)])[:, 1]
        boxes.append(Bbox([[x - pixels, ends.min()], [x + pixels, ends.max()]]))
    return boxes


def _box(x: float, y: float, width: float, height: float, direction: tuple[float, float], gap: float) -> Bbox:
    """The label's box in the given direction from a point: its nearest edge lies ``gap`` pixels away."""
    across, up = direction
    left = x + gap if across > 0 else x - gap - width if across < 0 else x - width / 2
    bottom = y + gap if up == 1 else y - gap - height if up == -1 else y + up * height / 2 - height / 2
    return Bbox([[left, bottom], [left + width, bottom + height]])


def _cost(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """Pixels of the box that something else covers, and those outside of the axes."""
    padded = box.padded(_PADDING)
    covered = sum(_shared(padded, other) for other in taken)
    # Outside of the axes is worse than on something; rounded, so that equal places are equal on every machine.
    return round(covered + 2 * (padded.width * padded.height - _shared(padded, frame)), 1)


def _shared(a: Bbox, b: Bbox) -> float:
    both = Bbox.intersection(a, b)
    return float(both.width * both.height) if both is not None else 0.0
