"""Which parameter of a study matters most for the validation Dice."""

from __future__ import annotations

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.result_set import ResultSet, design_of
from harness.statistics.importance import importances


def importance_table(results: ResultSet) -> Table:
    """Shares of variance of the validation Dice, f-ANOVA and Optuna's default side by side."""
    design = design_of(results)
    shares, labels = importances(design.study), design.definition.labels
    rows = [
        Row(label=labels.get(str(name), str(name)), cells={key: Cell(value=float(line[key])) for key in shares.columns})
        for name, line in shares.iterrows()
    ]
    return Table(
        name="importance",
        title=f"{results.heading}: importance for validation Dice",
        caption="Shares that sum to one. They have neither sign nor uncertainty: read them beside the effects. "
        "PED-ANOVA (Optuna's default) compares the best trials with all trials and cannot rank the factors of a full "
        "factorial; it is shown for comparison only.",
        columns=(
            Column(
                key="variance", source=Source("archive", "trials", "variance"), header="Share of variance", digits=2
            ),
            Column(key="fanova", source=Source("archive", "trials", "fanova"), header="f-ANOVA", digits=2),
            Column(key="ped_anova", source=Source("archive", "trials", "ped_anova"), header="PED-ANOVA", digits=2),
        ),
        rows=tuple(rows),
        notes=() if rows else ("Too few trials are finished.",),
        mark=results.mark,
        scope=results.name,
        stub="Parameter",
        ranked=False,
    )
