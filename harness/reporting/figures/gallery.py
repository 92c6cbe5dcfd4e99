"""The gallery: one frame under every perturbation at every severity, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from harness.perturbations.base import SEVERITIES
from harness.perturbations.sector import find_sector
from harness.perturbations.similarity import sector_ssim
from harness.registry import PERTURBATIONS
from harness.reporting.figures.style import PAGE_INCHES, footnote, house_style, new_figure


def gallery(
    frames: Tensor,
    case: str,
    names: Sequence[str],
    *,
    aspect: float = 1.0,
    reference: str = "camus",
    mark: str | None = None,
) -> Figure:
    """Perturbations (rows) by severities 0 to 5 (columns), shown on the last frame of a clip [T, H, W].

    Under each image stands the SSIM of the clip inside the sector. The last frame is shown because frozen frames leave
    the first one as it is. Images are cut to the sector and keep their proportions.
    """
    sector = find_sector(frames, aspect)
    box = _box(sector.mask.cpu().numpy())
    height = (box[0].stop - box[0].start) / (aspect * (box[1].stop - box[1].start))
    with house_style():
        width = (PAGE_INCHES - 1.0) / (len(SEVERITIES) + 1)
        figure = new_figure(PAGE_INCHES, len(names) * (width * height + 0.16) + 0.4)
        grid = figure.subplots(len(names), len(SEVERITIES) + 1, squeeze=False)
        for row, name in zip(grid, names, strict=True):
            perturbation = PERTURBATIONS.build({"type": name, "reference": reference})
            for axes, severity in zip(row, (0, *SEVERITIES), strict=True):
                changed = perturbation(frames, severity, case, sector)
                # The square frame is stretched back to the patient's proportions.
                _show(axes, changed[-1].cpu().numpy()[box], 1 / aspect)
                axes.set_xlabel(f"{sector_ssim(frames, changed, sector.mask):.2f}", fontsize=5, labelpad=1)
            row[0].set_ylabel(name.replace("_", " "), fontsize=6, rotation=0, ha="right", va="center")
        for axes, severity in zip(grid[0], (0, *SEVERITIES), strict=True):
            axes.set_title(f"severity {severity}" if severity else "clean", fontsize=7)
        footnote(figure, mark)
    return figure


def _show(axes: Axes, image: np.ndarray, aspect: float) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest rectangle of rows and columns that holds a mask [H, W]."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
