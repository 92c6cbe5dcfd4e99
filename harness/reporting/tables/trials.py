"""The best trials of a search."""

from __future__ import annotations

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.result_set import ResultSet, design_of


def trial_table(results: ResultSet, best: int = 10) -> Table:
    """The best trials of a search by validation Dice, with their parameters."""
    design = design_of(results)
    trials = design.trials()
    done = trials.dropna(subset=["value"]).sort_values("value", ascending=False).head(best)
    space = design.definition.space
    rows = []
    for _, trial in done.iterrows():
        cells = {one.name: Cell(text=_shown(trial.get(one.name))) for one in space} | {
            "run": Cell(text=str(trial["run"]))
        }
        rows.append(Row(label=f"trial {trial['number']}", cells={"value": Cell(value=float(trial["value"])), **cells}))
    counts = ", ".join(f"{count} {state}" for state, count in trials["state"].value_counts().items())
    return Table(
        name="trials",
        title=f"{results.heading}: best {len(rows)} of {len(trials)} trials",
        caption=f"Validation Dice of the selected checkpoint; the test split took no part. Trials: {counts or 'none'}.",
        columns=(
            Column(
                key="value",
                source=Source("archive", "trials", "value"),
                header="Validation Dice",
                digits=4,
                direction="up",
            ),
            *(
                Column(key=one.name, header=one.label, text=True, source=Source("archive", "trials", "parameter"))
                for one in space
            ),
            Column(key="run", source=Source("archive", "trials", "run"), header="Run", text=True, csv_only=True),
        ),
        rows=tuple(rows),
        mark=results.mark,
        scope=results.name,
        stub="Trial",
    )


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
