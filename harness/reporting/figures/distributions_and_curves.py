"""Figures beside the main one: distributions per case, EF agreement, curves of learning, severity, memory and effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.reporting.figures.style import (
    COLUMN_INCHES,
    PAGE_INCHES,
    colours,
    footnote,
    house_style,
    markers,
    new_figure,
)
from harness.reporting.tables.table import decimals
from harness.statistics.agreement import Agreement
from harness.statistics.robust import profile

_SEED_MARKERS = "o^sDvPX*<>"
"""One shape per seed in plots of agreement; colours tell models apart."""


def paired_distribution(scores: pd.DataFrame, label: str, *, mark: str | None = None) -> Figure:
    """One dot per patient and model, a grey line through each patient's dots, box plots (median, quartiles) beside them.

    ``scores`` is [patients, models] in displayed units, ``label`` names the axis.
    """
    with house_style():
        figure = new_figure(COLUMN_INCHES, 2.7)
        axes = figure.add_subplot()
        positions = np.arange(scores.shape[1])
        # Lines per patient: the comparison is paired, and two boxes alone would hide that.
        axes.plot(positions, scores.to_numpy().T, color="0.7", linewidth=0.4, alpha=0.6, zorder=1)
        # boxplot draws nothing at all for a column that holds one NaN.
        complete = [scores[name].dropna().to_numpy(float) for name in scores.columns]
        axes.boxplot(
            complete,
            positions=positions + 0.22,
            manage_ticks=False,
            widths=0.16,
            showfliers=False,
            showcaps=False,
            medianprops={"color": "0.1", "linewidth": 1.4},
        )
        palette = colours(scores.columns)
        for index, name in enumerate(scores.columns):
            axes.scatter(np.full(len(scores), index), scores[name], s=7, color=[palette[name]], alpha=0.6, zorder=3)
        axes.set_xlim(-0.4, len(positions) - 0.4)
        axes.set_xticks(
            positions, [str(name) for name in scores.columns], rotation=20, ha="right", rotation_mode="anchor"
        )
        axes.set_ylabel(f"{label}, n = {len(scores.dropna(how='all'))} patients")
        footnote(figure, mark)
    return figure


def performance_profile(scores: pd.DataFrame, *, mark: str | None = None) -> Figure:
    """Share of patients above each Dice, a curve per model; ``scores`` is [patients, models] in percent."""
    with house_style():
        figure = new_figure()
        axes = figure.add_subplot()
        palette = colours(scores.columns)
        low = float(np.nanmin(scores.to_numpy(float)))
        # From where the first patient fails: below, all curves lie on each other at 100 %.
        thresholds = np.linspace(min(low, 99.0) - 1, 100, 400)
        for name in scores.columns:
            axes.plot(thresholds, 100 * profile(scores[name], thresholds), label=str(name), color=palette[name])
        axes.set_xlabel("Dice of at least [%]")
        axes.set_ylabel("patients [%]")
        axes.legend()
        footnote(figure, mark)
    return figure


def bland_altman(
    pairs: Mapping[str, Sequence[pd.DataFrame]], agreements: Mapping[str, Agreement], *, mark: str | None = None
) -> Figure:
    """Difference against mean of predicted and true EF, one panel per model: bias and limits of agreement with bands.

    ``pairs`` holds one table per seed with columns ``predicted`` and ``truth`` in EF points; lines are those of ``agreements``.
    """

    def panel(axes: Axes, label: str, tables: Sequence[pd.DataFrame]) -> None:
        agreement = agreements[label]
        for shape, table in zip(_SEED_MARKERS, tables, strict=False):
            middle, difference = table.mean(axis=1), table["predicted"] - table["truth"]
            axes.scatter(middle, difference, s=7, color=[colours(pairs)[label]], alpha=0.8, marker=shape)
        for interval, style in ((agreement.bias, "-"), (agreement.lower_limit, "--"), (agreement.upper_limit, "--")):
            axes.axhline(interval.point, color="black", linestyle=style, linewidth=0.9)
            # Too few patients have limits of agreement but no interval of them.
            if interval.defined:
                axes.axhspan(interval.low, interval.high, color="0.6", alpha=0.25, linewidth=0)
        bias, low, high = (
            _minus(each.point) for each in (agreement.bias, agreement.lower_limit, agreement.upper_limit)
        )
        axes.set_title(f"{label}, n = {agreement.n}\nbias {bias}, limits {low} to {high}", fontsize=7)

    return _panels(pairs, panel, "mean of prediction and truth [EF points]", "prediction − truth [EF points]", mark)


def ef_regression(
    pairs: Mapping[str, Sequence[pd.DataFrame]], agreements: Mapping[str, Agreement], *, mark: str | None = None
) -> Figure:
    """Predicted against true EF with the least-squares line (solid) and identity (dotted), one panel per model."""

    def panel(axes: Axes, label: str, tables: Sequence[pd.DataFrame]) -> None:
        agreement = agreements[label]
        for shape, table in zip(_SEED_MARKERS, tables, strict=False):
            axes.scatter(
                table["truth"], table["predicted"], s=7, color=[colours(pairs)[label]], alpha=0.8, marker=shape
            )
        truth = np.concatenate([table["truth"].to_numpy(float) for table in tables])
        ends = np.array([truth.min(), truth.max()])
        axes.plot(ends, agreement.slope * ends + agreement.intercept, color="black", linewidth=0.9)
        # Identity: a slope below 1 (high EF read too low) is seen against it and not in r.
        axes.plot(ends, ends, color="0.4", linestyle=":", linewidth=0.9)
        r = f"{agreement.r.point:.3f}" if np.isfinite(agreement.r.point) else "--"
        axes.set_title(f"{label}, n = {agreement.n}\nr = {r}, slope {_minus(agreement.slope, 2)}", fontsize=7)

    return _panels(pairs, panel, "EF of the truth [%]", "predicted EF [%]", mark)


def _minus(value: float, digits: int = 1) -> str:
    """A number with a true minus sign; ``--`` for none."""
    return decimals(value, digits).replace("-", "−") if np.isfinite(value) else "--"


def learning_curves(histories: Mapping[str, pd.DataFrame], *, mark: str | None = None) -> Figure | None:
    """Training loss and validation Dice against iteration; tables have ``iteration`` and ``loss`` and/or ``score``.

    None when no table holds either.
    """
    kinds = [(k, title) for k, title in (("loss", "training loss"), ("score", "validation Dice")) if _any(histories, k)]
    if not kinds:
        return None
    with house_style():
        figure = new_figure(PAGE_INCHES * len(kinds) / 2, 2.4)
        palette, shapes = colours(histories), markers(histories)
        for index, (kind, title) in enumerate(kinds):
            axes = figure.add_subplot(1, len(kinds), index + 1)
            for label, table in histories.items():
                points = table.dropna(subset=[kind]) if kind in table else table.iloc[:0]
                shape = shapes[label] if kind == "score" else ""
                values = _smooth(points[kind])
                axes.plot(points["iteration"], values, color=palette[label], label=label, marker=shape, markersize=3)
                if {f"{kind}_low", f"{kind}_high"} <= set(points) and (
                    points[f"{kind}_high"] > points[f"{kind}_low"]
                ).any():
                    low, high = _smooth(points[f"{kind}_low"]), _smooth(points[f"{kind}_high"])
                    axes.fill_between(points["iteration"], low, high, color=palette[label], alpha=0.15, linewidth=0)
            axes.set_xlabel("iteration")
            axes.set_ylabel(title)
        figure.axes[-1].legend()
        footnote(figure, mark)
    return figure


def banded_curves(
    table: pd.DataFrame, x: str, y: str, *, xlabel: str, ylabel: str, mark: str | None = None, logarithmic: bool = False
) -> Figure:
    """One line per ``model`` of ``table`` with a band between ``<y>_low`` and ``<y>_high`` where these columns exist.

    Serves severity curves (x = severity) and memory against clip length (x = frames).
    """
    with house_style():
        figure = new_figure(COLUMN_INCHES, 2.4)
        axes = figure.add_subplot()
        labels = list(dict.fromkeys(table["model"]))
        palette, shapes = colours(labels), markers(labels)
        for label in labels:
            own = table[table["model"] == label].sort_values(x)
            axes.plot(own[x], own[y], color=palette[label], marker=shapes[label], markersize=4, label=label)
            if {f"{y}_low", f"{y}_high"} <= set(own):
                axes.fill_between(
                    own[x], own[f"{y}_low"], own[f"{y}_high"], color=palette[label], alpha=0.2, linewidth=0
                )
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xticks(sorted(table[x].unique()), [f"{value:g}" for value in sorted(table[x].unique())])
            axes.minorticks_off()
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.legend()
        footnote(figure, mark)
    return figure


def effect_plot(
    labels: Sequence[str],
    points: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    xlabel: str,
    *,
    margin: float = 0.0,
    mark: str | None = None,
) -> Figure:
    """Pairwise differences with intervals, one line each; zero is marked, the band is the practical ``margin``."""
    with house_style():
        figure = new_figure(COLUMN_INCHES, 0.7 + 0.24 * len(labels))
        axes = figure.add_subplot()
        rows = np.arange(len(labels))[::-1]
        if margin:
            axes.axvspan(-margin, margin, color="0.9", zorder=0)
        axes.axvline(0, color="0.3", linewidth=0.8)
        for row, point, low, high in zip(rows, points, lows, highs, strict=True):
            axes.plot([low, high], [row, row], color="#0173b2", linewidth=1.6)
            axes.plot([point], [row], marker="o", color="#0173b2", markersize=4)
        axes.set_yticks(rows, list(labels))
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.set_xlabel(xlabel)
        footnote(figure, mark)
    return figure


def _panels(
    tables: Mapping[str, Sequence[pd.DataFrame]],
    panel: Callable[[Axes, str, Sequence[pd.DataFrame]], None],
    xlabel: str,
    ylabel: str,
    mark: str | None,
) -> Figure:
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    with house_style():
        figure = new_figure(PAGE_INCHES * columns / 3, 2.2 * rows + 0.3)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (label, table) in zip(grid, tables.items(), strict=False):
            panel(axes, label, table)
        for index in range(len(tables), len(grid)):
            grid[index].remove()
            # Shared axes write numbers under the last row only, and here that row has a gap.
            grid[index - columns].tick_params(labelbottom=True)
        figure.supxlabel(xlabel if not mark else f"{xlabel}\n{mark}", fontsize=8)
        figure.supylabel(ylabel, fontsize=8)
    return figure


def _any(histories: Mapping[str, pd.DataFrame], kind: str) -> bool:
    return any(kind in table and table[kind].notna().any() for table in histories.values())


def _smooth(values: pd.Series) -> pd.Series:
    """Running mean over a fiftieth of the points, so that a noisy loss stays legible."""
    smoothed: pd.Series = values.rolling(max(1, len(values) // 50), min_periods=1).mean()
    return smoothed
