"""The figures of one suite, by name; those that need something the suite does not have are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from matplotlib.figure import Figure

from harness.reporting.figures.accuracy_and_cases import dice_against_fps
from harness.reporting.figures.distributions_and_curves import (
    banded_curves,
    bland_altman,
    ef_regression,
    effect_plot,
    learning_curves,
    paired_distribution,
    performance_profile,
)
from harness.reporting.figures.history import histories, memory_curves
from harness.reporting.figures.ranks import critical_difference_diagram, rank_heat_map
from harness.reporting.tables.table import Table
from harness.results.comparisons import comparisons
from harness.results.ejection import ef_agreements, ef_tables
from harness.results.measures import DICE
from harness.results.ranks import by_patient, rank_differences, ranking
from harness.results.result_set import ResultSet


def suite_figures(results: ResultSet, table: Table) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) in the order of ``captions.CAPTIONS``; ``table`` is the suite's main table."""
    scores = by_patient(results)
    makers: dict[str, Callable[[], Figure | None]] = {
        "dice_against_fps": lambda: dice_against_fps(table),
        "distribution": lambda: paired_distribution(scores, "Dice [%]", mark=results.mark) if scores.size else None,
        "performance_profile": lambda: performance_profile(scores, mark=results.mark) if scores.size else None,
        "differences": lambda: _differences(results),
        "critical_difference": lambda: _ranking(results, stability=False),
        "rank_stability": lambda: _ranking(results, stability=True),
        "bland_altman": lambda: _ef(results, bland_altman),
        "ef_regression": lambda: _ef(results, ef_regression),
        "learning_curves": lambda: learning_curves(histories(results), mark=results.mark),
        "memory": lambda: _memory(results),
    }
    for name, make in makers.items():
        figure = make()
        if figure is not None:
            yield name, figure


def _differences(results: ResultSet) -> Figure | None:
    pairs = comparisons(results, DICE)
    if not pairs:
        return None
    labels = [f"vs {pair.other}" for pair in pairs]
    points, lows, highs = ([getattr(pair, name) for pair in pairs] for name in ("difference", "low", "high"))
    label = f"{results.reference} minus baseline [{DICE.points}]"
    return effect_plot(labels, points, lows, highs, label, margin=results.criteria.margin(DICE.name), mark=results.mark)


def _ranking(results: ResultSet, *, stability: bool) -> Figure | None:
    ranked = ranking(results)
    if ranked is None or ranked[0].shape[1] < 3:
        return None
    if stability:
        return rank_heat_map(ranked[1], mark=results.mark)
    return critical_difference_diagram(rank_differences(ranked[0]), mark=results.mark)


def _ef(results: ResultSet, draw: Callable[..., Figure]) -> Figure | None:
    pairs = ef_tables(results, "reference")
    pairs = {label: tables for label, tables in pairs.items() if all(len(table) > 2 for table in tables)}
    return draw(pairs, ef_agreements(results), mark=results.mark) if pairs else None


def _memory(results: ResultSet) -> Figure | None:
    table = memory_curves(results)
    if table["clip_length"].nunique() < 2:
        return None
    labels = {"xlabel": "frames in the clip", "ylabel": "peak memory [MB]"}
    return banded_curves(table, "clip_length", "peak_memory_mb", **labels, logarithmic=True)
