"""Every test case of a suite in one table."""

from __future__ import annotations

from harness.reporting.cases import case_scores
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.suite import SuiteResults


def case_table(results: SuiteResults) -> Table:
    """Every test case of every finished run, worst first: Dice in percent, averaged over labelled frames."""
    structure = results.structures[0] if results.structures else "lv"
    found = [
        (score, arm.label, run.seed)
        for arm in results.arms
        for run in arm.finished
        for score in case_scores(run.rows, structure)
    ]
    rows = [
        Row(
            label=label,
            cells={
                "patient": Cell(text=score.patient),
                "view": Cell(text=score.view),
                "seed": Cell(value=seed),
                "dice": Cell(value=score.dice),
                "worst": Cell(text=f"{score.phase} (frame {score.frame})".strip()),
            },
        )
        for score, label, seed in sorted(found, key=lambda entry: entry[0].dice)
    ]
    return Table(
        name="cases",
        title="All test cases, worst first",
        caption="Mean over the labelled frames of a case (one view of one patient), per model and seed.",
        columns=(
            Column(key="patient", header="Patient", text=True),
            Column(key="view", header="View", text=True),
            Column(key="seed", header="Seed", digits=0),
            Column(key="dice", header="Dice", unit="%", digits=1, direction="up"),
            Column(key="worst", header="Worst frame", text=True),
        ),
        rows=tuple(rows),
        ranked=False,
    )
