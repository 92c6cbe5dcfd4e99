"""Every test case of a suite in one table."""

from __future__ import annotations

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.case_scores import case_scores
from harness.results.result_set import ResultSet


def case_table(results: ResultSet) -> Table:
    """Every test case of every finished run, worst first: Dice in percent, averaged over labelled frames."""
    found = [
        (score, arm.label, run.seed)
        for arm in results.arms
        for run in arm.finished
        for score in case_scores(run.rows, results.structure)
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
            Column(key="patient", source=Source("cases", "patient", "of the row"), header="Patient", text=True),
            Column(key="view", source=Source("cases", "view", "of the row"), header="View", text=True),
            Column(key="seed", source=Source("cases", "seed", "of the row"), header="Seed", digits=0),
            Column(
                key="dice",
                source=Source("cases", "dice", "mean of the case"),
                header="Dice",
                unit="%",
                digits=1,
                direction="up",
            ),
            Column(
                key="worst", source=Source("cases", "dice", "worst frame of the case"), header="Worst frame", text=True
            ),
        ),
        rows=tuple(rows),
        ranked=False,
        scope=results.name,
    )
