"""Models side by side on one case: the same frames under one slider, and their area curves below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from harness.reporting.figures.style import colours
from harness.reporting.page.players import contour_path, jpeg_uri
from harness.reporting.tables.words import plain_words
from harness.results.pictures import COMMON, FAULT, CasePicture

SIDE = 200
"""Longest side of a frame in pixels: a page with seven models and twenty frames stays below a megabyte, frames being shared."""
CURVE = (640, 150)
"""Width and height of the curves in pixels."""
_MARGIN = 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One model: its label, colour, SVG path data of its mask per frame, and of its area curve."""

    label: str
    colour: str
    dice: float
    predicted: tuple[str, ...]
    curve: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SideBySide:
    """One case under several models.

    Attributes:
        title: patient and view.
        width, height: of a frame in displayed pixels.
        frames: data URIs, shared by all panels.
        reference: SVG path data per frame, empty where there is no mask.
        panels: one per model.
        curve: the reference's area curve; empty unless every frame has a mask.
        marks: (x, word) of ED and ES on the curve.
        places: x of every frame on the curve.
        window: (left, right) of the frames under a fault that passes; None without one.
        note: what the fault is, empty without one.
    """

    title: str
    width: int
    height: int
    frames: tuple[str, ...]
    reference: tuple[str, ...]
    panels: tuple[Panel, ...]
    curve: str
    marks: tuple[tuple[float, str], ...]
    places: tuple[float, ...]
    window: tuple[float, float] | None = None
    note: str = ""


def side_by_side(pictures: Sequence[CasePicture]) -> SideBySide | None:
    """The panel of pictures of one case; None with fewer than two models or of stills.

    Pictures of another case or other frames than the first one's are left out: they cannot share a slider.
    """
    same = [p for p in pictures if _key(p) == _key(pictures[0])]
    if len(same) < 2 or len(same[0].frames) < 3:
        return None
    first = same[0]
    rows, columns = first.frames.shape[1:]
    scale = SIDE / max(rows * first.aspect, columns)
    width, height = max(1, round(columns * scale)), max(1, round(rows * first.aspect * scale))
    factors = (width / columns, height / rows)
    areas = {picture.label: _areas(picture.predicted) for picture in same}
    reference = _areas(first.reference)
    # One scale for all models, so that a larger area stands higher in every panel.
    top = max(1, *(int(area.max()) for area in (reference, *areas.values())))
    palette = colours(list(areas))
    # A curve with gaps would be read as a heart that comes and goes.
    drawn = bool((reference > 0).all())
    ends = ((int(reference.argmax()), "ED"), (int(reference.argmin()), "ES")) if drawn else ()
    places = tuple(round(float(x), 1) for x in np.linspace(_MARGIN, CURVE[0] - _MARGIN, len(first.frames)))
    return SideBySide(
        title=f"{first.patient} {first.view}",
        width=width,
        height=height,
        frames=tuple(jpeg_uri(frame, width, height) for frame in first.frames),
        reference=tuple(contour_path(mask, *factors) for mask in first.reference),
        panels=tuple(
            Panel(
                label=p.label,
                colour=to_hex(palette[p.label]),
                dice=p.dice,
                predicted=tuple(contour_path(mask, *factors) for mask in p.predicted),
                curve=_line(areas[p.label], places, top),
            )
            for p in same
        ),
        curve=_line(reference, places, top) if drawn else "",
        marks=tuple((places[frame], word) for frame, word in ends),
        places=places,
        window=_shaded(first.window, places) if first.window else None,
        note=f"{plain_words(first.fault)} in frames {first.window[0] + 1} to {first.window[1]}" if first.window else "",
    )


def _key(picture: CasePicture) -> tuple[object, ...]:
    return picture.patient, picture.view, len(picture.frames), picture.fault, picture.window


def _shaded(window: tuple[int, int], places: Sequence[float]) -> tuple[float, float]:
    """From half a frame before the first to half a frame behind the last frame of the window."""
    half = (places[1] - places[0]) / 2
    return round(places[window[0]] - half, 1), round(places[window[1] - 1] + half, 1)


def panels(pictures: Sequence[CasePicture]) -> list[SideBySide]:
    """The case that all models share as it is, then under each fault that passes."""
    groups: dict[tuple[str, object], list[CasePicture]] = {}
    for picture in pictures:
        # Grouped by the fault alone: of two cases under one fault the first is shown, as elsewhere.
        groups.setdefault((picture.role, picture.window and (picture.fault, picture.window)), []).append(picture)
    shown = [side_by_side(group) for (role, _), group in groups.items() if role in (COMMON, FAULT)]
    return [item for item in shown if item is not None]


def _areas(masks: NDArray[np.integer]) -> NDArray[np.int64]:
    """Pixels of the first structure per frame: class 1 of every structure set."""
    return np.count_nonzero(masks == 1, axis=(1, 2))


def _line(areas: NDArray[np.int64], places: Sequence[float], top: int) -> str:
    """SVG path of a curve that starts at zero area on the lower border."""
    low, span = CURVE[1] - _MARGIN, CURVE[1] - 2 * _MARGIN
    return "M" + "L".join(f"{x} {low - span * area / top:.1f}" for x, area in zip(places, areas.tolist(), strict=True))
