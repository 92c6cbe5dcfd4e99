"""Figures of a robustness report: severity curves with bands, and the heat map of models and perturbations."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.reporting.figures.style import PAGE_INCHES, colours, footnote, house_style, markers, new_figure
from harness.results.arm import Arm
from harness.results.conditions import at, estimate, mean_drops
from harness.results.measures import DICE, Measure
from harness.results.result_set import ResultSet

_COLUMNS = 4


def severity_curves(results: ResultSet, measure: Measure = DICE) -> Figure:
    """One panel per perturbation: a line per model over severity 0 (clean) to 5, with its 95 % band over patients.

    Dashed lines are models that saw the perturbation in training.
    """
    rows = math.ceil(len(results.perturbations) / _COLUMNS)
    columns = min(_COLUMNS, len(results.perturbations))
    with house_style():
        figure = new_figure(PAGE_INCHES * columns / _COLUMNS, 1.45 * rows + 0.7)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, name in zip(grid, results.perturbations, strict=False):
            for arm in results.arms:
                _curve(axes, results, arm, measure, name)
            axes.set_title(name.replace("_", " "))
            axes.set_xticks([0, *results.severities])
        for index in range(len(results.perturbations), len(grid)):
            grid[index].remove()
            grid[index - columns].tick_params(labelbottom=True)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6))
        figure.supylabel(f"{measure.header} [{measure.unit}]", fontsize=8)
        figure.supxlabel(f"severity\n{results.mark}" if results.mark else "severity", fontsize=8)
    return figure


def _curve(axes: Axes, results: ResultSet, arm: Arm, measure: Measure, name: str) -> None:
    labels = [item.label for item in results.arms]
    steps = [0, *results.severities]
    found = [estimate(arm, measure, partial(at, perturbation=name, severity=severity), measure) for severity in steps]
    colour, shape = colours(labels)[arm.label], markers(labels)[arm.label]
    style = "--" if name in arm.seen else "-"
    points = [one.point for one in found]
    axes.plot(steps, points, color=colour, marker=shape, markersize=2.5, linewidth=1, linestyle=style, label=arm.label)
    lows, highs = ([getattr(one, side) for one in found] for side in ("low", "high"))
    axes.fill_between(steps, lows, highs, color=colour, alpha=0.15, linewidth=0)


def drop_heat_map(results: ResultSet, measure: Measure = DICE) -> Figure:
    """Models (columns) by perturbations (rows): mean loss over severities, the hardest perturbation on top.

    A dot marks cells whose perturbation the model saw in training.
    """
    table = pd.DataFrame({arm.label: mean_drops(results, arm, measure) for arm in results.arms})
    table = table.loc[table.mean(axis=1).sort_values(ascending=False).index]
    with house_style():
        figure = new_figure(1.9 + 0.75 * table.shape[1], 1.0 + 0.24 * len(table))
        axes = figure.add_subplot()
        values = table.to_numpy(float)
        top = max(float(np.nanmax(values)), 1e-9)
        image = axes.imshow(values, cmap="cividis_r", vmin=min(0.0, float(np.nanmin(values))), vmax=top, aspect="auto")
        seen = {
            (row, column)
            for row, name in enumerate(table.index)
            for column, arm in enumerate(results.arms)
            if name in arm.seen
        }
        for (row, column), value in np.ndenumerate(values):
            text = f"{value:.1f}" + (" •" if (row, column) in seen else "")
            shade = "white" if value > 0.45 * top else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=shade)
        axes.set_xticks(range(table.shape[1]), list(table.columns), rotation=20, ha="right")
        axes.set_yticks(range(len(table)), [str(name).replace("_", " ") for name in table.index])
        axes.grid(False)
        figure.colorbar(
            image,
            ax=axes,
            label=f"{measure.header} lost [{measure.difference_unit}]"
            if measure.higher
            else f"{measure.header} gained [{measure.difference_unit}]",
        )
        footnote(figure, results.mark)
    return figure
