"""The reference minus each other model at equal severity."""

from __future__ import annotations

from harness.reporting.tables.sweep_words import sweep_notes
from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.reporting.tables.words import plain_words
from harness.results.comparisons import ALPHA, by_condition
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
                source=Source("patients", DICE.name, "shift at the severity"),
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
    for (severity, name), part in tests.groupby(["severity", "perturbation"], sort=True):
        cells: dict[str, Cell] = {}
        for one in part.to_dict("records"):
            label, p = str(one["other"]), float(one["p_adjusted"])
            cells[label] = Cell(value=one["shift"], low=one["low"], high=one["high"], dagger=p < ALPHA)
            cells[f"{label}_p"] = Cell(value=p)
        rows.append(Row(label=plain_words(str(name)), cells=cells, group=f"Severity {severity}"))
    family = len(others) * len(results.perturbations)
    return Table(
        name="robustness_comparisons",
        title=f"{results.heading}: {results.reference} minus each other model, Dice",
        caption="Hodges–Lehmann difference of paired patient means with 95 % interval; positive favours "
        f"{results.reference}. † two-sided signed-rank test (Pratt), Holm-corrected within a severity ({family} tests), α = 0.05.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=sweep_notes(results),
        stub="Perturbation",
        mark=results.mark,
        scope=results.name,
        ranked=False,
        compact=True,
    )
