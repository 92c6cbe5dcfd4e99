"""Figures about rankings: the critical-difference diagram and the heat map of resampled ranks."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.reporting.figures.style import COLUMN_INCHES, footnote, house_style, new_figure
from harness.statistics.ranks import Nemenyi, RankStability


def critical_difference_diagram(result: Nemenyi, *, metric: str = "Dice", mark: str | None = None) -> Figure:
    """Mean ranks on a line (1, the best, on the left); bars join models that do not differ (Nemenyi)."""
    ranks, models = result.mean_ranks, len(result.mean_ranks)
    with house_style():
        figure = new_figure(COLUMN_INCHES, 1.1 + 0.15 * models)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(0.2, models + 0.8)
        bars = 0.3 * len(result.cliques)
        depth = bars + 0.45 * ((models + 1) // 2) + 0.3
        axes.set_ylim(-depth - 0.2, 1.5)
        _rank_axis(axes, models)
        _difference_bar(axes, result)
        for level, clique in enumerate(result.cliques):
            ends = [float(ranks[name]) for name in (clique[0], clique[-1])]
            axes.plot([ends[0] - 0.04, ends[1] + 0.04], [-0.3 * (level + 1) + 0.05] * 2, color="black", linewidth=3)
        for index, (name, rank) in enumerate(ranks.items()):
            _leader(axes, str(name), float(rank), index, models, bars)
        axes.set_title(f"Mean rank in {metric}, n = {result.n} patients", fontsize=8)
        footnote(figure, mark)
    return figure


def _rank_axis(axes: Axes, models: int) -> None:
    axes.plot([1, models], [0, 0], color="black", linewidth=1)
    for rank in range(1, models + 1):
        axes.plot([rank, rank], [0, 0.12], color="black", linewidth=1)
        axes.text(rank, 0.2, str(rank), ha="center", va="bottom", fontsize=7)


def _difference_bar(axes: Axes, result: Nemenyi) -> None:
    end = 1 + result.critical_difference
    axes.plot([1, end], [0.85, 0.85], color="black", linewidth=1)
    for x in (1, end):
        axes.plot([x, x], [0.75, 0.95], color="black", linewidth=1)
    axes.text(
        (1 + end) / 2, 1.0, f"CD = {result.critical_difference:.2f} (α = {result.alpha:g})", ha="center", fontsize=7
    )


def _leader(axes: Axes, name: str, rank: float, index: int, models: int, bars: float) -> None:
    """The better half is labelled on the left, the rest on the right, without crossing lines."""
    # Leaders that go out in the order of the ranks never cross.
    left = index < (models + 1) // 2
    step = index if left else models - 1 - index
    y = -bars - 0.35 - 0.45 * step
    end = 0.85 if left else models + 0.15
    axes.plot([rank, rank, end], [0, y, y], color="0.35", linewidth=0.8)
    label = f"{name} ({rank:.2f})"
    axes.text(end - 0.05 if left else end + 0.05, y, label, ha="right" if left else "left", va="center", fontsize=7)


def rank_heat_map(stability: RankStability, *, metric: str = "Dice", mark: str | None = None) -> Figure:
    """How often each model takes each rank when patients are resampled, in percent; models from best to worst."""
    order = stability.ranks.sort_values(kind="stable").index
    share = 100 * stability.share.loc[order]
    with house_style():
        figure = new_figure(COLUMN_INCHES, 0.9 + 0.3 * len(order))
        axes = figure.add_subplot()
        axes.grid(visible=False)
        image = axes.imshow(share.to_numpy(), cmap="Blues", vmin=0, vmax=100, aspect="auto")
        axes.set_xticks(range(share.shape[1]), [str(rank) for rank in share.columns])
        axes.set_yticks(range(len(order)), [str(name) for name in order])
        for (row, column), value in np.ndenumerate(share.to_numpy()):
            # Zeros printed in every other field would hide the diagonal.
            if value >= 0.5:
                colour = "white" if value > 60 else "black"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=7)
        axes.set_xlabel(f"rank in {metric} (mean Kendall τ = {stability.tau:.2f}, n = {stability.n})")
        figure.colorbar(image, ax=axes, label="resamples [%]")
        footnote(figure, mark)
    return figure
