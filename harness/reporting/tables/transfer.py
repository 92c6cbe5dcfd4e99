"""Tables of runs on data that they were not trained on, and of everything that an evaluation measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from harness.reporting.tables.table import Cell, Column, Row, Table, measure_column, on_scale
from harness.results.comparisons import failure_rate
from harness.results.measures import Measure, Selection
from harness.results.transfer import Tested, drops, measures_of
from harness.statistics.families import ALPHA
from harness.statistics.seeds import summarise

_INTERVAL = "Mean over patients with its 95 % interval (over trainings too where there are several; none below n = 10)."


def transfer_tables(tested: Sequence[Tested], structure: str = "lv") -> list[Table]:
    """Trained on × tested on per measure, the losses on other data with their tests, and every metric of the rows."""
    tables = [_matrix(tested, measure, structure) for measure in measures_of(tested)]
    lost = _drop_table(tested, structure)
    return [*tables, *([lost] if lost.rows else []), *_metric_tables(tested)]


def _matrix(tested: Sequence[Tested], measure: Measure, structure: str) -> Table:
    datasets = list(dict.fromkeys(one.tested_on for one in tested))
    cells: dict[str, dict[str, Cell]] = {}
    for one in tested:
        values = one.arm.values(measure, Selection(structure=structure))
        if values.size:
            summary = summarise(values.to_numpy(float))
            cell = on_scale(Cell.of(summary.interval, seed_sd=summary.seed_sd), measure)
            # Who found nothing may have the smallest distance of a column.
            cell = replace(cell, unranked=not failure_rate(one.arm, Selection(structure=structure)).learned)
            cells.setdefault(one.label, {})[one.tested_on] = cell
    # A column per tested data: only values of one column are of the same patients.
    columns = [measure_column(measure, name, f"tested on {name}") for name in datasets]
    return Table(
        name=f"transfer_{measure.name}",
        title=f"{measure.title}: trained on × tested on",
        caption=f"{_INTERVAL} Columns are other patients, or other views of them: values of one column can be compared.",
        columns=tuple(columns),
        rows=tuple(Row(label=label, cells=row) for label, row in cells.items()),
        notes=_notes(tested),
        mark=_mark(tested),
        stub="Model",
    )


def _drop_table(tested: Sequence[Tested], structure: str) -> Table:
    found = drops(tested, structure)
    rows = [
        Row(
            label=f"{drop.tested.label}, tested on {drop.tested.tested_on}",
            group=drop.measure.title,
            cells={
                "loss": Cell(value=drop.loss.difference, low=drop.low, high=drop.high, dagger=drop.shown),
                "p": Cell(value=drop.p),
                # Sides were exchanged where smaller is better, so that a positive loss is always worse.
                "n_home": Cell(value=drop.loss.n[0 if drop.measure.higher else 1]),
                "n": Cell(value=drop.loss.n[1 if drop.measure.higher else 0]),
            },
        )
        for drop in found
    ]
    return Table(
        name="transfer_losses",
        title="What is lost on other data",
        caption=(
            "Loss against the same trainings on the test patients of their own dataset, positive is worse, in the measure's unit; "
            "Welch's t over patients and trainings, for other patients; patients who are on both sides (another view or split of one "
            "dataset) are treated as independent, which makes intervals rather too wide than too narrow. p and intervals are corrected over the table (Bonferroni); "
            f"† p < {ALPHA}. With fewer than three trainings on both sides, or of a model that has not learned the task at home, nothing is tested: the interval is that of these trainings, 95 % over patients. A loss mixes what the model does not transfer with how hard the other images are."
        ),
        columns=(
            Column(key="loss", header="Loss", digits=2),
            Column(key="p", header="p", digits=3, probability=True),
            Column(key="n_home", header="n at home", digits=0),
            Column(key="n", header="n there", digits=0),
        ),
        rows=tuple(rows),
        notes=_notes(tested),
        mark=_mark(tested),
        ranked=False,
    )


def _metric_tables(tested: Sequence[Tested]) -> list[Table]:
    """Per dataset every metric of its rows, on drawn frames, interpolated frames and whole clips apart."""
    tables = []
    for name in dict.fromkeys(one.tested_on for one in tested):
        members = [one for one in tested if one.tested_on == name]
        rows: dict[tuple[str, str], dict[str, Cell]] = {}
        for one in members:
            for (group, label), cell in _all_metrics(one).items():
                rows.setdefault((group, label), {})[one.label] = cell
        # The title of data holds brackets and commas, which no file name should.
        stem = "".join(letter if letter.isalnum() else "_" for letter in name).strip("_")
        tables.append(
            Table(
                name=f"metrics_{stem}",
                title=f"Every metric on {name}",
                caption=f"{_INTERVAL} Values and names as in the rows (docs/protocol.md); shares are not in percent.",
                columns=tuple(Column(key=one.label, header=one.label, digits=3) for one in members),
                rows=tuple(Row(label=label, group=group, cells=cells) for (group, label), cells in rows.items()),
                notes=_notes(members),
                mark=_mark(members),
                stub="Metric",
                ranked=False,
            )
        )
    return tables


def _all_metrics(one: Tested) -> dict[tuple[str, str], Cell]:
    tables = one.arm.tables
    cells: dict[tuple[str, str], Cell] = {}
    for group, chosen in _groups(tables).items():
        keys = dict.fromkeys(
            (str(structure), str(metric))
            for table in chosen
            for structure, metric in zip(table["structure"], table["metric"], strict=True)
        )
        for structure, metric in keys:
            # Of a metric that is not known here nothing is known of its limits; values stay as in the rows.
            distance = metric.startswith(("hd", "asd"))
            measure = Measure(name=metric, header=metric, unit="", direction="down" if distance else "none")
            values = _values(chosen, measure, structure)
            if values.size:
                summary = summarise(values.to_numpy(float))
                cell = Cell.of(summary.interval, seed_sd=summary.seed_sd)
                cells[group, f"{structure} {metric}".strip()] = on_scale(cell, measure)
    return cells


def _values(tables: Sequence[pd.DataFrame], measure: Measure, structure: str) -> pd.DataFrame:
    """[patients, trainings] of one metric."""
    columns = [measure.by_patient(table, Selection(structure=structure)) for table in tables]
    # A metric that one training lacks has no value over trainings.
    return pd.concat(columns, axis=1) if all(column.size for column in columns) else pd.DataFrame(dtype=float)


def _groups(tables: Sequence[pd.DataFrame]) -> dict[str, list[pd.DataFrame]]:
    """Rows that may be averaged: frames that a person drew, those that were interpolated, and values of a whole clip."""
    parts = {
        "drawn frames": [table[(table["frame"] >= 0) & (table["phase"] != "interp")] for table in tables],
        # Never averaged with drawn ones: an interpolated mask is a computation and no reference.
        "interpolated frames": [table[table["phase"] == "interp"] for table in tables],
        "whole clips and patients": [table[table["frame"] < 0] for table in tables],
    }
    return {name: chosen for name, chosen in parts.items() if all(len(table) for table in chosen) and chosen}


def _notes(tested: Sequence[Tested]) -> tuple[str, ...]:
    lines = [f"{one.label}, tested on {one.tested_on}: {'; '.join(one.notes)}." for one in tested if one.notes]
    return tuple(dict.fromkeys(lines))


def _mark(tested: Sequence[Tested]) -> str | None:
    marks = dict.fromkeys(f"{one.tested_on}: {one.mark}" for one in tested if one.mark)
    return "; ".join(marks) or None
