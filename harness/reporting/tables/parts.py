"""Every measure per view and phase, one table per structure."""

from __future__ import annotations

import math

from harness.reporting.tables.main_comparison import counted, fewer_patients, ranked_alike, value_cells
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, measure_column
from harness.results.comparisons import not_learned
from harness.results.measures import Selection
from harness.results.result_set import STRUCTURE_NAMES, ResultSet


def part_tables(results: ResultSet) -> list[Table]:
    """One table per structure with every measure per view and phase; none where a structure has only one part."""
    tables = [_part_table(results, structure) for structure in results.structures]
    single = len(tables) == 1
    return [table for table in tables if len(table.groups) > 1 or not single]


def _part_table(results: ResultSet, structure: str) -> Table:
    measures = [measure for measure in results.measures if not measure.csv_only]
    failed = not_learned(results, Selection(structure=structure))
    rows: list[Row] = []
    columns = [measure_column(measure) for measure in measures]
    for group, (view, phase) in _parts(results).items():
        selection = Selection(structure=structure, view=view, phase=phase)
        members = []
        for arm in results.arms:
            values = {measure: arm.values(measure, selection) for measure in measures}
            counts = {measure.name: len(table.dropna()) for measure, table in values.items()}
            cells = value_cells(values) | {f"{name}_n": Cell(value=count) for name, count in counts.items()}
            cells["patients"] = Cell(value=max(counts.values(), default=0) or math.nan)
            members.append(Row(label=arm.label, cells=cells, group=group))
        rows += ranked_alike(members, columns, failed)
    patients = Column(
        key="patients", header="n", digits=0, source=Source("cases", "patient", "patients with every value")
    )
    return Table(
        name=f"parts_{structure}",
        title=f"{results.heading}: {STRUCTURE_NAMES.get(structure, structure)} per view and phase",
        caption="Mean over patients; best bold, second underlined within each part. Intervals: see the CSV of this table.",
        columns=(*columns, patients, *(counted(column) for column in columns)),
        rows=tuple(rows),
        notes=tuple(fewer_patients(rows, columns)),
        mark=results.mark,
        compact=True,
        scope=results.name,
    )


def _parts(results: ResultSet) -> dict[str, tuple[str | None, str | None]]:
    tables = [table[table["frame"] >= 0] for arm in results.arms for table in arm.tables]
    views = sorted({str(view) for table in tables for view in table["view"].unique()} - {""})
    phases = [phase for phase in ("ED", "ES") if any((table["phase"] == phase).any() for table in tables)]
    parts: dict[str, tuple[str | None, str | None]] = {"all views and phases": (None, None)}
    parts |= {view: (view, None) for view in views if len(views) > 1}
    return parts | {phase: (None, phase) for phase in phases if len(phases) > 1}
