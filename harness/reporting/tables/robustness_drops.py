"""Loss of Dice per perturbation and model: the heat map's numbers."""

from __future__ import annotations

from functools import partial

from harness.reporting.tables.sweep_words import sweep_caption, sweep_notes
from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.reporting.tables.words import plain_words
from harness.results.conditions import estimate, lost
from harness.results.measures import DICE
from harness.results.result_set import ResultSet


def drop_table(results: ResultSet) -> Table:
    """Loss of Dice per perturbation (rows) and model (columns), averaged over severities: the heat map's numbers."""
    columns = [
        Column(
            key=arm.label,
            header=arm.label,
            unit="points",
            source=Source("patients", DICE.name, "drop of the perturbation"),
        )
        for arm in results.arms
    ]
    rows = []
    for name in results.perturbations:
        loss = partial(lost, perturbations=[name], severities=results.severities)
        cells = {arm.label: Cell.of(estimate(arm, DICE, loss)) for arm in results.arms}
        rows.append(Row(label=plain_words(name), cells=cells))
    return Table(
        name="robustness_drop",
        title=f"{results.heading}: Dice lost against the clean image",
        caption=sweep_caption(results) + " Positive is worse.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=sweep_notes(results),
        stub="Perturbation",
        mark=results.mark,
        scope=results.name,
        ranked=False,
    )
