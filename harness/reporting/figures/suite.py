"""The figures of one suite, by name; those that need something the suite does not have are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd
from matplotlib.figure import Figure

from harness.reporting.figures.agreement import (
    banded_curves,
    bland_altman,
    ef_regression,
    effect_plot,
    learning_curves,
    paired_distribution,
)
from harness.reporting.figures.basic import dice_against_fps
from harness.reporting.figures.history import histories, memory_curves
from harness.reporting.figures.ranks import critical_difference_diagram, rank_heat_map
from harness.reporting.measures import arm_values, comparisons, ef_method, overlap_measures
from harness.reporting.tables.parts import ef_agreements, ef_tables
from harness.reporting.tables.table import Table
from harness.results.suite import SuiteResults
from harness.statistics.ranks import complete_cases, nemenyi, rank_stability


def dice_by_patient(results: SuiteResults) -> pd.DataFrame:
    """Dice in percent per patient (row) and finished arm (column), averaged over seeds; NaN where a seed has none."""
    structure = results.structures[0] if results.structures else "lv"
    dice = overlap_measures()[0]
    tables = {arm.label: arm_values(arm, dice, structure=structure) for arm in results.arms if arm.finished}
    return pd.DataFrame({label: table.mean(axis=1, skipna=False) for label, table in tables.items()})


def suite_figures(results: SuiteResults, table: Table) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) in the order of ``captions.CAPTIONS``; ``table`` is the suite's main table."""
    scores = dice_by_patient(results)
    makers: dict[str, Callable[[], Figure | None]] = {
        "dice_against_fps": lambda: dice_against_fps(table),
        "distribution": lambda: paired_distribution(scores, "Dice [%]", mark=results.mark) if scores.size else None,
        "differences": lambda: _differences(results),
        "critical_difference": lambda: _ranking(results, scores, stability=False),
        "rank_stability": lambda: _ranking(results, scores, stability=True),
        "bland_altman": lambda: _ef(results, bland_altman),
        "ef_regression": lambda: _ef(results, ef_regression),
        "learning_curves": lambda: learning_curves(histories(results), mark=results.mark),
        "memory": lambda: _memory(results),
    }
    for name, make in makers.items():
        figure = make()
        if figure is not None:
            yield name, figure


def _differences(results: SuiteResults) -> Figure | None:
    structure = results.structures[0] if results.structures else "lv"
    found = comparisons(results, overlap_measures()[0], structure=structure)
    if not found:
        return None
    labels = [f"vs {one.other}" for one in found]
    points, lows, highs = ([getattr(one, name) for one in found] for name in ("shift", "low", "high"))
    label = f"{results.reference} minus baseline [Dice points]"
    return effect_plot(labels, points, lows, highs, label, margin=overlap_measures()[0].margin, mark=results.mark)


def _ranking(results: SuiteResults, scores: pd.DataFrame, *, stability: bool) -> Figure | None:
    complete = complete_cases(scores)
    if complete.shape[1] < 3 or len(complete) < 2:
        return None
    if stability:
        return rank_heat_map(rank_stability(complete), mark=results.mark)
    return critical_difference_diagram(nemenyi(complete), mark=results.mark)


def _ef(results: SuiteResults, draw: Callable[..., Figure]) -> Figure | None:
    method = ef_method(results)
    pairs = ef_tables(results, method, "reference") if method else {}
    pairs = {label: tables for label, tables in pairs.items() if all(len(table) > 2 for table in tables)}
    return draw(pairs, ef_agreements(results), mark=results.mark) if pairs else None


def _memory(results: SuiteResults) -> Figure | None:
    table = memory_curves(results)
    if table["clip_length"].nunique() < 2:
        return None
    labels = {"xlabel": "frames in the clip", "ylabel": "peak memory [MB]"}
    return banded_curves(table, "clip_length", "peak_memory_mb", **labels, logarithmic=True)
