"""The figures of a study: effects with intervals, interactions, and how the search went."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.reporting.figures.optuna_figures import optuna_figures
from harness.reporting.figures.style import (
    COLUMN_INCHES,
    PAGE_INCHES,
    colours,
    footnote,
    house_style,
    markers,
    new_figure,
)
from harness.results.comparisons import Effect, study_effects, study_scores
from harness.results.measures import DICE, Measure
from harness.results.result_set import ResultSet, design_of

_EFFECTS = (
    "Effects on test Dice with 95 % intervals over patients and seeds; filled: shown after Bonferroni's correction; "
    "grey: the practical margin."
)
_INTERACTIONS = "Mean test Dice by two factors, a small point per seed; parallel lines mean no interaction."
_HISTORY = "Validation Dice in the order of the trials."
_HEADS = {"main": "main effects", "interaction": "interactions", "contrast": "full model − variant"}


def study_figures(results: ResultSet) -> Iterator[tuple[str, Figure, str]]:
    """Every figure that this study has something for: (file name, figure, caption)."""
    mark, design = results.mark, design_of(results)
    if results.finished:
        effects = [e for e in study_effects(results, DICE) if math.isfinite(e.point)]
        if effects:
            yield "effects", effect_plot(effects, DICE, results.criteria.margin(DICE.name), mark=mark), _EFFECTS
        panels = interaction_means(results, DICE)
        if panels:
            yield "interactions", interaction_plot(panels, DICE, mark=mark), _INTERACTIONS
    if len(trials := design.trials()):
        yield "history", history_plot(trials, mark=mark), _HISTORY
    yield from optuna_figures(design.study, design.definition.labels, mark=mark)


def effect_plot(effects: Sequence[Effect], measure: Measure, margin: float, *, mark: str | None = None) -> Figure:
    """Point and interval of every effect, one block per kind; the band is the practical margin."""
    kinds = list(dict.fromkeys(effect.kind for effect in effects))
    lines = len(effects) + 0.9 * len(kinds)
    with house_style():
        figure = new_figure(PAGE_INCHES * 0.7, 0.7 + 0.2 * lines)
        axes = figure.add_subplot()
        if margin:
            axes.axvspan(-margin, margin, color="0.93", zorder=0)
        axes.axvline(0, color="0.4", linewidth=0.8)
        palette = colours(_HEADS)
        place, ticks = 0.0, []
        for kind in kinds:
            axes.annotate(
                _HEADS[kind], (0.01, place), xycoords=("axes fraction", "data"), fontsize=7, style="italic", va="center"
            )
            place += 0.9
            for effect in (e for e in effects if e.kind == kind):
                # An effect without an interval is still a point: that it could not be tested is information.
                if math.isfinite(effect.low):
                    axes.plot([effect.low, effect.high], [place, place], color=palette[kind], linewidth=1.5)
                filled = effect.shown
                axes.plot(
                    effect.point,
                    place,
                    "o",
                    color=palette[kind],
                    markersize=4.5,
                    markerfacecolor=palette[kind] if filled else "white",
                )
                ticks.append((place, effect.name))
                place += 1
        axes.set_yticks([tick for tick, _ in ticks], [name for _, name in ticks])
        axes.set_ylim(place - 0.3, -0.6)
        axes.grid(axis="y", visible=False)
        unit = measure.difference_unit
        band = f"; grey: ±{margin:g} {unit}" if margin else ""
        axes.set_xlabel(f"difference in {measure.header} [{unit}]; filled: shown after correction{band}")
        footnote(figure, mark)
    return figure


def interaction_means(results: ResultSet, measure: Measure) -> dict[tuple[str, str], pd.DataFrame]:
    """(factor, factor) → long table ``one``, ``two``, ``seed``, ``value``: mean over patients and over the other factors.

    Only pairs of factors of which every combination of levels has been trained.
    """
    scores, design = study_scores(results, measure), design_of(results)
    cells = [cell for cell in design.cells if cell.key in scores]
    panels = {}
    for one, two in itertools.combinations(design.definition.factors, 2):
        rows = [
            {"one": cell.levels[one.name], "two": cell.levels[two.name], "seed": seed, "value": float(values.mean())}
            for cell in cells
            for seed, values in scores[cell.key].items()
            if cell.levels[one.name] in one.levels and cell.levels[two.name] in two.levels
        ]
        table = pd.DataFrame(rows)
        # A line through missing combinations would suggest an interaction that nobody measured.
        if len(table) and len(table.groupby(["one", "two"])) == len(one.levels) * len(two.levels):
            panels[one.label, two.label] = (
                table.groupby(["one", "two", "seed"], sort=False)[["value"]].mean().reset_index()
            )
    return panels


def interaction_plot(
    panels: dict[tuple[str, str], pd.DataFrame], measure: Measure, *, mark: str | None = None
) -> Figure:
    """One panel per pair of factors: lines of the means, a small point per seed; parallel lines mean no interaction."""
    with house_style():
        figure = new_figure(min(PAGE_INCHES, COLUMN_INCHES * len(panels)), 2.5)
        for index, ((one, two), table) in enumerate(panels.items()):
            _panel(figure.add_subplot(1, len(panels), index + 1), table, one, two, measure)
        footnote(figure, mark)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, one: str, two: str, measure: Measure) -> None:
    order = _order(list(dict.fromkeys(table["one"])))
    lines = list(dict.fromkeys(table["two"]))
    palette, shapes = colours(lines), markers(lines)
    # Side by side: equal means would cover each other.
    for shift, level in zip(np.linspace(-0.04, 0.04, len(lines)), lines, strict=True):
        own = table[table["two"] == level]
        places = own["one"].map(order.index) + shift
        axes.plot(
            places, own["value"], linestyle="", marker=shapes[level], color=palette[level], alpha=0.45, markersize=3
        )
        means = own.groupby("one")["value"].mean().reindex(order)
        axes.plot(
            np.arange(len(order)) + shift, means, marker=shapes[level], color=palette[level], markersize=5, label=level
        )
    axes.set_xticks(range(len(order)), order)
    axes.set_xlim(-0.3, len(order) - 0.7)
    axes.set_xlabel(one)
    axes.set_ylabel(measure.title)
    axes.legend(title=two, title_fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _order(levels: list[str]) -> list[str]:
    """Numbers by size; else the reference, which comes first, last (off before on)."""
    try:
        # As numbers: by text 16 would stand before 4.
        return sorted(levels, key=float)
    except ValueError:
        return levels[::-1]


def history_plot(trials: pd.DataFrame, *, mark: str | None = None) -> Figure:
    """Validation Dice in the order of the trials, the best so far as a line; trials without a value are ticks below."""
    with house_style():
        figure = new_figure(COLUMN_INCHES * 1.3, 2.5)
        axes = figure.add_subplot()
        done = trials.dropna(subset=["value"])
        sns.scatterplot(x=done["number"], y=done["value"], ax=axes, s=18, color=colours(["a"])["a"], label="trial")
        # The best so far is steady between trials, so a step; a slanted line would show values nobody had.
        axes.step(done["number"], done["value"].cummax(), where="post", color="0.3", label="best so far")
        for state, colour in (("pruned", "#e69f00"), ("fail", "#d55e00")):
            other = trials[trials["state"] == state]
            if len(other):
                axes.plot(
                    other["number"],
                    # In fractions of the axes: these trials have no Dice at which they could be drawn.
                    np.full(len(other), 0.02),
                    "|",
                    color=colour,
                    transform=axes.get_xaxis_transform(),
                    label=state,
                )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("trial")
        axes.set_ylabel("validation Dice")
        axes.legend(loc="best")
        footnote(figure, mark)
    return figure
