"""Figures of the main comparison: accuracy against speed, and overlays of single cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.reporting.figures.labels import Point, place_labels
from harness.reporting.figures.style import (
    COLUMN_INCHES,
    PAGE_INCHES,
    PREDICTION_COLOUR,
    REFERENCE_COLOUR,
    colours,
    footnote,
    house_style,
    new_figure,
)
from harness.reporting.tables.table import Row, Table
from harness.results.pictures import CasePicture

_BUBBLE = 9.0
"""Area in square points of a bubble per million parameters."""


def dice_against_fps(table: Table) -> Figure | None:
    """Dice (with interval) against streaming FPS on a logarithmic axis, area of the bubble = parameters.

    Takes the main table; models without both figures are left out, None when there is none.
    """
    rows = [r for r in table.rows if math.isfinite(r.cell("fps").value) and math.isfinite(r.cell("dice").value)]
    if not rows:
        return None
    with house_style():
        figure = new_figure(COLUMN_INCHES, 2.8)
        axes = figure.add_subplot()
        palette = colours(row.label for row in table.rows)
        points = [_bubble(axes, row, palette[row.label]) for row in rows]
        # Models differ by a factor of ten in speed, and a ratio is what is read off.
        axes.set_xscale("log")
        _plain_ticks(axes)
        axes.margins(x=0.2, y=0.15)
        axes.set_xlabel("frames per second, streaming")
        axes.set_ylabel("Dice [%]")
        _size_legend(axes, [row.cell("parameters_m").value for row in rows])
        footnote(figure, table.mark)
        place_labels(axes, points)
    return figure


def _bubble(axes: Axes, row: Row, colour: tuple[float, float, float]) -> Point:
    fps, dice, millions = row.cell("fps").value, row.cell("dice"), row.cell("parameters_m").value
    # Masks scored from elsewhere may come without a count of parameters; they are still a point.
    size = _BUBBLE * millions if math.isfinite(millions) else 20.0
    if dice.has_interval:
        axes.plot([fps, fps], [dice.low, dice.high], color=colour, linewidth=1, zorder=2)
    axes.scatter([fps], [dice.value], s=size, color=[colour], alpha=0.75, edgecolor="black", linewidth=0.5, zorder=3)
    # matplotlib's size is an area in square points; the labels keep clear of the radius.
    radius = math.sqrt(size / math.pi)
    return Point(x=fps, y=dice.value, name=row.label, radius=radius, low=dice.low, high=dice.high)


def _plain_ticks(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written out."""
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _size_legend(axes: Axes, millions: Sequence[float]) -> None:
    known = [value for value in millions if math.isfinite(value)]
    if not known:
        return
    # Two sizes are enough to read the others by, and are round numbers.
    shown = sorted({_round(min(known)), _round(max(known))})
    handles = [
        axes.scatter([], [], s=_BUBBLE * value, color="0.75", edgecolor="black", linewidth=0.5, label=f"{value:g} M")
        for value in shown
    ]
    title = axes.plot([], [], " ", label="parameters:")
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(handles=[*title, *handles], loc="outside upper right", ncols=3, handletextpad=0.3, columnspacing=0.8)


def _round(value: float) -> float:
    return float(f"{value:.1g}") if value else value


def overlay_grid(pictures: Sequence[CasePicture], *, mark: str | None = None, columns: int = 3) -> Figure:
    """Cases side by side: the frame with the contours of the reference (solid) and of the prediction (dashed).

    Raises:
        ValueError: no pictures.
    """
    if not pictures:
        raise ValueError("overlay_grid needs at least one picture, got none")
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    with house_style():
        width = PAGE_INCHES * columns / 3
        figure = new_figure(width, rows * (width / columns + 0.25) + 0.3)
        for index, picture in enumerate(pictures):
            draw_overlay(figure.add_subplot(rows, columns, index + 1), picture)
        handles = [
            Line2D([], [], color=REFERENCE_COLOUR, label="reference"),
            Line2D([], [], color=PREDICTION_COLOUR, linestyle="--", label="prediction"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
        footnote(figure, mark)
    return figure


def draw_overlay(axes: Axes, picture: CasePicture) -> None:
    """One case on one pair of axes; pixels keep their physical aspect where the spacing is known."""
    frame, reference, predicted = picture.shown
    # Fixed grey levels: scaled to each frame, a dark clip would look like a bright one.
    axes.imshow(frame, cmap="gray", vmin=0, vmax=255, aspect=picture.aspect, interpolation="nearest")
    for mask, colour, style in ((reference, REFERENCE_COLOUR, "-"), (predicted, PREDICTION_COLOUR, "--")):
        for structure in sorted(set(mask[mask > 0].tolist())):
            axes.contour(mask == structure, levels=[0.5], colors=[colour], linestyles=[style], linewidths=1.1)
    axes.set_title(picture.title, fontsize=7)
    axes.set_axis_off()
