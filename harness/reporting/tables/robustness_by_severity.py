"""Every model under every perturbation: one column per severity, their mean, and the area under the curve."""

from __future__ import annotations

from functools import partial

from harness.reporting.tables.sweep_words import judged, sweep_caption, sweep_notes
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, measure_column, on_scale
from harness.reporting.tables.words import plain_words
from harness.results.arm import Arm
from harness.results.conditions import at, curve_area, estimate, mean_of
from harness.results.measures import Measure
from harness.results.result_set import ResultSet


def severity_table(results: ResultSet, measure: Measure) -> Table:
    """Every model under every perturbation: one column per severity, their mean, and the area under the curve."""
    columns = [
        measure_column(
            measure, f"severity_{severity}", f"Severity {severity}", source=Source("patients", measure.name, "severity")
        )
        for severity in results.severities
    ]
    columns += [
        measure_column(measure, "mean", "Mean", source=Source("patients", measure.name, "mean of the perturbation")),
        measure_column(measure, "area", "Area", source=Source("patients", measure.name, "area of the perturbation")),
        Column(key="seen", header="Seen", text=True, source=Source("record", "augment", "seen or unseen")),
    ]
    rows = []
    for name in results.perturbations:
        rows += [_severity_row(results, measure, arm, name) for arm in results.arms]
    return Table(
        name=f"robustness_{measure.name}",
        title=f"{results.heading}: {measure.header} [{measure.unit}] by perturbation and severity",
        caption=sweep_caption(results, measure)
        + " Area: under the curve from the clean image (severity 0) on, divided by its width; the same scale as the values. "
        "Patients for whom a value is undefined (an empty mask) are left out of that cell.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=sweep_notes(results),
        mark=results.mark,
        scope=results.name,
        compact=True,
    )


def _severity_row(results: ResultSet, measure: Measure, arm: Arm, name: str) -> Row:
    severities = results.severities
    statistics = {
        **{f"severity_{level}": partial(at, perturbation=name, severity=level) for level in severities},
        "mean": partial(mean_of, perturbations=[name], severities=severities),
        "area": partial(curve_area, perturbation=name, severities=severities),
    }
    cells = {
        key: on_scale(Cell.of(estimate(arm, measure, statistic, measure)), measure)
        for key, statistic in statistics.items()
    }
    cells["seen"] = Cell(text="seen" if name in arm.seen else "unseen")
    return judged(results, Row(label=arm.label, cells=cells, group=plain_words(name)))
