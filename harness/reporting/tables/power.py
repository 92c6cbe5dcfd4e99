"""How many patients a difference needs, per number of trainings."""

from __future__ import annotations

import math

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.power import Power
from harness.results.result_set import ResultSet
from harness.vocabulary import counted


def power_table(results: ResultSet, plan: Power) -> Table:
    """Patients per difference (row) and number of trainings (column); ``--`` where no number of patients suffices."""
    columns = [
        Column(
            key=f"trainings_{count}",
            header=f"{count} trainings",
            digits=0,
            source=Source("cases", plan.measure.name, f"patients needed with {count} trainings"),
        )
        for count in plan.trainings
    ]
    rows = [
        Row(
            label=f"{size:g} {plan.measure.points}",
            cells={column.key: Cell(value=value) for column, value in zip(columns, line, strict=True)},
        )
        for size, line in zip(plan.sizes, plan.patients, strict=True)
    ]
    return Table(
        name="power",
        title=f"{results.heading}: patients needed to show a difference in {plan.measure.header}",
        caption=f"Power 80 % at a two-sided level of {plan.alpha:.3g} (Bonferroni over the baselines), trainings per model as in the "
        "column, patients and trainings as crossed random effects; --: no number of patients suffices.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(power_notes(plan)),
        mark=results.mark,
        stub="Difference",
        ranked=False,
        scope=results.name,
    )


def power_notes(plan: Power) -> list[str]:
    """Where the spreads come from, and what the present design can see."""
    n, s = plan.present_design
    sd = math.sqrt(plan.variances.trainings / 2)
    patients = math.sqrt(plan.variances.patients)
    source = "as given" if plan.assumed else "of these runs"
    lines = [
        f"Median over baselines: SD of the difference between patients {patients:.2f}, SD between trainings of one model "
        f"{sd:.2f} ({source})."
    ]
    if math.isfinite(plan.present):
        lines.append(
            f"The present design ({n} patients, {s} trainings) shows a difference of {plan.present:.2f} {plan.measure.points}."
        )
    elif math.isinf(plan.present):
        lines.append(
            f"The present design shows nothing: {n} patients are too few for the sign-flip test at this level."
        )
    else:
        lines.append(
            f"The present design ({n} patients, {counted(s, 'training')} of a model) compares trainings, not models."
        )
    return lines
