"""The main comparison: accuracy with intervals, clinical read-out and cost, one row per model."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from harness.reporting.tables.cost import COST_COLUMNS, busy_notes, cost_cells
from harness.reporting.tables.family_words import is_tested, only_trainings, untested_sentence, why_nothing_is_tested
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, measure_column, on_scale
from harness.reporting.tables.words import (
    condition_notes,
    external_notes,
    interval_words,
    method_name,
    missing_notes,
    seeds_of,
)
from harness.results.arm import Arm
from harness.results.comparisons import (
    ALPHA,
    SMALLEST_TRAININGS,
    Comparison,
    all_comparisons,
    failure_rate,
    lost_trainings,
    not_learned,
)
from harness.results.ejection import axis_rule, ef_correlation, ef_failures, ef_method, has_stated_ef
from harness.results.measures import Measure, ef_error
from harness.results.result_set import STRUCTURE_NAMES, ResultSet
from harness.statistics.bootstrap import SMALLEST_SAMPLE
from harness.statistics.seeds import SeedSummary, summarise_all
from harness.vocabulary import counted as plural

COUNT_COLUMNS = (
    Column(key="patients", header="n", digits=0, source=Source("cases", "patient", "patients with every value")),
    Column(key="seeds", header="Seeds", digits=0, csv_only=True, source=Source("record", "status", "finished runs")),
)
FAILURES = Column(
    key="failures",
    header="Failures",
    unit="%",
    direction="down",
    source=Source("cases", "dice", "patients below half with exact limits"),
)
"""Share of patients with a Dice below 50 %."""


def main_table(results: ResultSet) -> Table:
    """The main comparison of a suite on the LV (or the first structure scored).

    Cells: mean over patients with the 95 % interval, averaged over seeds; the dagger marks a significant difference from the
    reference. Models without a finished run stay in the table with ``--`` and their reason in the notes.
    """
    structure, method = results.structure, ef_method(results)
    tests = all_comparisons(results)
    daggers = {(other, key): one.shown for (key, other), one in tests.items()}
    source = Source("record", "first_frame", "as recorded")
    protocol = Column(
        key="first_frame", header="First frame", text=True, csv_only=len(results.protocols) < 2, source=source
    )
    accuracy = [measure_column(measure) for measure in results.measures]
    scored = [*accuracy, *_ef_columns(results, method)]
    rows = ranked_alike([_row(results, arm, method, daggers) for arm in results.arms], scored, not_learned(results))
    return Table(
        name="table",
        title=f"{results.heading}: {STRUCTURE_NAMES.get(structure, structure)} on {_patients_of(results)}",
        caption=caption(results, _counted(rows), method, list(tests.values())),
        columns=(*scored, FAILURES, *COST_COLUMNS, protocol, *COUNT_COLUMNS, *(counted(column) for column in scored)),
        rows=tuple(rows),
        notes=(
            *missing_notes(results),
            *external_notes(results),
            *_failure_notes(results, method),
            *busy_notes(results.arms),
            *fewer_patients(rows, scored),
            *condition_notes(results, "FPS (median; 90 % of the repeats) and memory"),
            *results.notes,
        ),
        mark=results.mark,
        scope=results.name,
    )


def _patients_of(results: ResultSet) -> str:
    return f"all patients of {results.dataset}" if results.folds else f"the test split of {results.dataset}"


def summary_cell(summary: SeedSummary, *, dagger: bool = False) -> Cell:
    """A table cell of a summary over seeds."""
    return Cell.of(summary.interval, seed_sd=summary.seed_sd, dagger=dagger)


def counted(column: Column) -> Column:
    """The column, for the CSV alone, that holds how many patients a column's means are over."""
    source = Source("cases", column.key, "patients of the column")
    return Column(key=f"{column.key}_n", header=f"n of {column.header}", digits=0, csv_only=True, source=source)


def fewer_patients(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """A sentence for every mean that is over fewer patients than its row says: it is not one of the same patients."""
    return [
        f"{row.label}, {column.header}{f' ({row.group})' if row.group else ''}: over {count:.0f} of "
        f"{row.cell('patients').value:.0f} patients."
        for row in rows
        for column in columns
        if not column.csv_only and (count := row.cell(f"{column.key}_n").value) < row.cell("patients").value
    ]


def ranked_alike(
    rows: Sequence[Row],
    columns: Sequence[Column],
    failed: Collection[str],
    everyone: Mapping[str, int] | None = None,
) -> list[Row]:
    """The rows with those cells unranked that are over fewer patients than others', or of a model that has not learned.

    ``everyone`` holds per column how many patients any model has a value of; by default the largest number of a row. Who gives
    no answer for the hardest patients must not look best among those who answer for all.
    """

    def cell_of(row: Row, column: Column) -> Cell:
        key = f"{column.key}_n"
        counts = [other.cell(key).value for other in rows if key in other.cells]
        most = (everyone or {}).get(column.key, max(counts, default=0))
        fewer = row.cell(key).value < most
        return replace(row.cell(column.key), unranked=True) if fewer or row.label in failed else row.cell(column.key)

    return [
        replace(row, cells=row.cells | {c.key: cell_of(row, c) for c in columns if c.key in row.cells}) for row in rows
    ]


def value_cell(values: pd.DataFrame, measure: Measure, *, dagger: bool = False) -> Cell:
    """A table cell of a measure's values [patients, seeds]; missing when there are none."""
    return value_cells({measure: values}, {measure.name} if dagger else ())[measure.name]


def value_cells(values: Mapping[Measure, pd.DataFrame], daggers: Collection[str] = ()) -> dict[str, Cell]:
    """The cells of several measures by their names, made at once; ``daggers`` are the names of those that carry one."""
    present = {measure: table.to_numpy() for measure, table in values.items() if table.size}
    summaries = zip(present, summarise_all(list(present.values())), strict=True)
    cells = {m.name: on_scale(summary_cell(one, dagger=m.name in daggers), m) for m, one in summaries}
    return {measure.name: cells.get(measure.name, Cell()) for measure in values}


def _ef_columns(results: ResultSet, method: str | None) -> tuple[Column, ...]:
    """EF error and correlation against the reference masks; against the stated EF for the CSV only."""
    if method is None:
        return ()
    predicted = f"ef_{method}_predicted"
    columns = [
        measure_column(ef_error(method), source=Source("cases", predicted, "EF MAE")),
        Column(key="ef_r", header="EF r", direction="up", digits=3, source=Source("cases", predicted, "EF r")),
    ]
    if has_stated_ef(results):
        columns += [
            Column(key="ef_stated_mae", header="stated EF MAE", unit="points", direction="down", csv_only=True,
                   source=Source("cases", predicted, "stated EF MAE")),
            Column(key="ef_stated_r", header="stated EF r", direction="up", digits=3, csv_only=True,
                   source=Source("cases", predicted, "stated EF r")),
        ]  # fmt: skip
    return tuple(columns)


def _row(results: ResultSet, arm: Arm, method: str | None, daggers: dict[tuple[str, str], bool]) -> Row:
    values = {measure: arm.values(measure, results.main) for measure in results.measures}
    cells = value_cells(values, {name for (label, name), shown in daggers.items() if shown and label == arm.label})
    # The patients whom every seed has: a mean over seeds is over these.
    cells |= {f"{measure.name}_n": Cell(value=len(table.dropna())) for measure, table in values.items()}
    patients = max((int(cell.value) for key, cell in cells.items() if key.endswith("_n")), default=0)
    if method and arm.finished:
        cells |= _ef_cells(results, arm, method, dagger=daggers.get((arm.label, "ef_mae"), False))
    rate = failure_rate(arm, results.main)
    cells["failures"] = Cell(value=100 * rate.rate, low=100 * rate.low, high=100 * rate.high)
    costs = cost_cells(arm)
    cells |= {column.key: costs[column.key] for column in COST_COLUMNS}
    cells["first_frame"] = Cell(text=arm.first_frame)
    cells["patients"] = Cell(value=patients) if patients else Cell()
    cells["seeds"] = Cell(value=len(arm.finished))
    return Row(label=arm.label, cells=cells)


def _ef_cells(results: ResultSet, arm: Arm, method: str, *, dagger: bool) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for against, prefix in (("reference", "ef"), ("stated", "ef_stated")):
        measure = ef_error(method, against=against)
        errors = arm.values(measure, results.main)
        cells[f"{prefix}_mae"] = value_cell(errors, measure, dagger=dagger and against == "reference")
        cells[f"{prefix}_mae_n"] = Cell(value=len(errors.dropna()))
        r = ef_correlation(arm, method, against)
        cells[f"{prefix}_r"] = Cell.of(r[0], seed_sd=r[1]) if r else Cell()
        cells[f"{prefix}_r_n"] = Cell(value=r[0].n if r else 0)
    return cells


def _counted(rows: list[Row]) -> str:
    """The number of patients in words: one number, or the range where models differ."""
    counts = sorted({int(row.cells["patients"].value) for row in rows if row.cells["patients"].value > 0})
    if not counts:
        return "0"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _failure_notes(results: ResultSet, method: str | None) -> list[str]:
    """Which arms gave no EF and for how many patients, the mean without them, and which arms have not learned the task."""
    lines = []
    for arm in results.finished:
        count, without = ef_failures(arm, method) if method else (0, math.nan)
        if count:
            rest = (
                f"; EF MAE without {'it' if count == 1 else 'them'} {without:.1f} points"
                if math.isfinite(without)
                else ""
            )
            lines.append(
                f"{arm.label}: {count} EF could not be computed and {'counts' if count == 1 else 'count'} with the largest error "
                f"possible{rest}."
            )
        if not failure_rate(arm, results.main).learned:
            lines.append(f"{arm.label} has not learned the task: most patients failed, so that it is not judged.")
        elif lost := lost_trainings(arm, results.main):
            lines.append(
                f"{arm.label}: {len(lost)} of {plural(len(arm.finished), 'training')} failed in most patients (seed "
                f"{', '.join(map(str, lost))}); the failures are of the mean over trainings."
            )
    return lines


def caption(results: ResultSet, n: str, method: str | None, tests: list[Comparison]) -> str:
    """What the table's numbers are, in sentences; nothing is said of a test that was not made."""
    if not results.finished:
        return "No run is finished yet."
    sentences = [
        f"Mean over n = {n} patients (views, phases and frames of a patient are averaged first)"
        + (f" and {seeds_of(results)} trainings (± SD over trainings)" if results.seeds > 1 else "")
        + f" with {interval_words(results)} (none below n = {SMALLEST_SAMPLE}).",
        dagger_sentence(results, tests),
        "Best bold, second underlined (ties at the displayed precision): the order of these figures, which claims no difference.",
        f"EF by {method_name(method)} at the stated ED and ES (oracle phases) against the EF of the reference masks by the same "
        f"method ({axis_rule(results)})."
        + (" Against the stated EF: table of the EF." if has_stated_ef(results) else "")
        if method
        else "",
        "Failures: patients with a mean Dice below 50 %, with exact (Clopper–Pearson) limits.",
        f"First-frame protocol: {' and '.join(results.protocols)}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def dagger_sentence(results: ResultSet, tests: list[Comparison]) -> str:
    """What the daggers stand for, and which models were not tested; why there is none where there is a pair but no test."""
    if any(is_tested(one) for one in tests):
        untested = untested_sentence(tests, intervals=False)
        return (
            f"† differs from {results.reference}, patients and trainings as crossed random effects, corrected p < {ALPHA:g}; "
            "every † has its row in the table of comparisons." + (f" {untested}" if untested else "")
        )
    if not tests:
        return ""
    if only_trainings(tests):
        return f"No daggers: trainings, not models, were compared (fewer than {SMALLEST_TRAININGS} of a model)."
    return f"No test: {why_nothing_is_tested(tests)}."
