"""The reference minus each other model at equal severity."""

from __future__ import annotations

from harness.reporting.tables.family_words import family_sentence
from harness.reporting.tables.sweep_words import sweep_notes
from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.reporting.tables.words import plain_words
from harness.results.comparisons import by_condition
from harness.results.measures import DICE
from harness.results.result_set import ResultSet


def condition_table(results: ResultSet) -> Table | None:
    """Reference minus each other model at equal severity: difference in Dice points, interval, significance."""
    others = [arm.label for arm in results.others]
    if not others:
        return None
    tests = by_condition(results, DICE)
    columns = []
    for label in others:
        columns += [
            Column(
                key=label,
                header=f"vs {label}",
                unit="points",
                source=Source("patients", DICE.name, "difference at the severity"),
            ),
            Column(
                key=f"{label}_p",
                header=f"adjusted p vs {label}",
                digits=4,
                probability=True,
                csv_only=True,
                source=Source("patients", DICE.name, "adjusted p at the severity"),
            ),
        ]
    rows = []
    for severity in results.severities:
        for name in results.perturbations:
            cells: dict[str, Cell] = {}
            for label in others:
                one = tests.get((severity, name, label))
                if one is not None:
                    cells[label] = Cell(value=one.difference, low=one.low, high=one.high, dagger=one.shown)
                    cells[f"{label}_p"] = Cell(value=one.p_adjusted)
            rows.append(Row(label=plain_words(name), cells=cells, group=f"Severity {severity}"))
    return Table(
        name="robustness_comparisons",
        title=f"{results.heading}: {results.reference} minus each other model, Dice",
        caption=f"Paired difference of means over patients; positive favours {results.reference}. "
        + family_sentence(list(tests.values())),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=sweep_notes(results),
        stub="Perturbation",
        mark=results.mark,
        scope=results.name,
        ranked=False,
        compact=True,
    )
