"""Faults that pass: Dice inside the window and after it, against the same frames clean, and the frames until recovery."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from operator import itemgetter

from harness.reporting.tables.table import Cell, Column, Row, Source, Table, measure_column, on_scale
from harness.reporting.tables.words import plain_words
from harness.results.arm import Arm
from harness.results.conditions import at, clean, estimate
from harness.results.measures import Measure
from harness.results.passing import AFTER, INSIDE, LOSS_AFTER, LOSS_INSIDE, RECOVERED, RECOVERY, not_learned
from harness.results.result_set import ResultSet
from harness.store.formats.sweep import HELD


def passing_tables(results: ResultSet) -> list[Table]:
    """The faults at the highest severity that was swept, and what is lost inside the window by severity."""
    return [_main(results), _by_severity(results)]


def _main(results: ResultSet) -> Table:
    # The hardest: what a memory is worth shows where the frame itself says least.
    severity, failed = max(results.severities), not_learned(results)
    columns = (
        _column(INSIDE, "clean", "Dice inside, clean", "clean"),
        _column(INSIDE, INSIDE.name, INSIDE.header, "fault"),
        _column(INSIDE, "held", "Dice inside, last mask held", "held"),
        _column(LOSS_INSIDE, LOSS_INSIDE.name, LOSS_INSIDE.header, "fault"),
        _column(AFTER, AFTER.name, AFTER.header, "fault"),
        _column(LOSS_AFTER, LOSS_AFTER.name, LOSS_AFTER.header, "fault"),
        _column(RECOVERY, RECOVERY.name, RECOVERY.header, "fault"),
        Column(key="patients", header="n", digits=0, source=Source("sweep", "patient", "patients with the fault")),
    )
    return Table(
        name="passing",
        title=f"{results.heading}: faults that pass in {results.window} frames, severity {severity}",
        caption=f"{_what(results)} Inside: frames wholly under the fault. Last mask held: on clean frames, the model's last mask before the "
        "fault stands for all of its frames; a model that does worse inside does not use what it saw. After: frames behind the soft "
        f"edge. Recovery: frames after the fault until Dice is at most {100 * RECOVERED:.0f} points below that of the same frame "
        "without the fault; a clip that never recovers counts with all of its frames.",
        columns=columns,
        rows=tuple(
            _judged(failed, _row(arm, name, severity)) for name in results.perturbations for arm in results.arms
        ),
        notes=(
            *(
                f"{label} has not learned the task: most patients fail on clean frames, so that it is not ranked."
                for label in failed
            ),
            *results.notes,
        ),
        mark=results.mark,
        scope=results.name,
    )


def _by_severity(results: ResultSet) -> Table:
    columns = [
        _column(LOSS_INSIDE, f"severity_{level}", f"Severity {level}", "severity") for level in results.severities
    ]
    rows, failed = [], not_learned(results)
    for name in results.perturbations:
        for arm in results.arms:
            cells = {
                f"severity_{level}": Cell.of(estimate(arm, LOSS_INSIDE, partial(at, perturbation=name, severity=level)))
                for level in results.severities
            }
            rows.append(_judged(failed, Row(label=arm.label, cells=cells, group=plain_words(name))))
    return Table(
        name="passing_by_severity",
        title=f"{results.heading}: Dice lost inside a window of {results.window} frames, by severity",
        caption=f"{_what(results)} Dice points lost against the same frames without the fault.",
        columns=tuple(columns),
        rows=tuple(rows),
        mark=results.mark,
        scope=results.name,
        compact=True,
    )


def _judged(failed: Collection[str], row: Row) -> Row:
    cells = {key: replace(cell, unranked=True) for key, cell in row.cells.items()}
    return replace(row, cells=cells) if row.label in failed else row


def _what(results: ResultSet) -> str:
    return (
        f"Each fault acts in {results.window} frames of a whole clip, placed by the case's seed, the same frames for every model, with a "
        "soft edge of one frame on both sides. Means over patients with 95 % interval (over trainings too where there are several); differences between models are not tested here. "
        "Ladders of blank and repeated frames are not matched by SSIM."
    )


def _row(arm: Arm, name: str, severity: int) -> Row:
    faulty = partial(at, perturbation=name, severity=severity)
    cells = {
        "clean": on_scale(Cell.of(estimate(arm, INSIDE, clean)), INSIDE),
        "held": on_scale(Cell.of(estimate(arm, INSIDE, itemgetter((HELD, 0)))), INSIDE),
        **{
            measure.name: on_scale(Cell.of(estimate(arm, measure, faulty)), measure)
            for measure in (INSIDE, LOSS_INSIDE, AFTER, LOSS_AFTER, RECOVERY)
        },
    }
    cells["patients"] = Cell(value=int(faulty(arm.under(INSIDE)).notna().sum()))
    return Row(label=arm.label, cells=cells, group=plain_words(name))


def _column(measure: Measure, key: str, header: str, condition: str) -> Column:
    return measure_column(measure, key, header, source=Source("sweep", measure.name, f"patient mean, {condition}"))
