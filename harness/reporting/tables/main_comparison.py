"""The main comparison: accuracy with intervals, clinical read-out and cost, one row per model."""

from __future__ import annotations

import pandas as pd

from harness.reporting.tables.cost import COST_COLUMNS, cost_cells
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, measure_column
from harness.reporting.tables.words import condition_notes, interval_words, method_name, missing_notes, seeds_of
from harness.results.comparisons import ALPHA, SMALLEST_PAIRED_SAMPLE, Comparison, comparisons
from harness.results.ejection import ef_correlation, ef_measure, ef_method, has_stated_ef
from harness.results.measures import ef_error
from harness.results.result_set import STRUCTURE_NAMES, Arm, ResultSet
from harness.statistics.bootstrap import RESAMPLES, SMALLEST_SAMPLE
from harness.statistics.seeds import SeedSummary, summarise

COUNT_COLUMNS = (
    Column(key="patients", header="n", digits=0, source=Source("cases", "patient", "patients with every value")),
    Column(key="seeds", header="Seeds", digits=0, csv_only=True, source=Source("record", "status", "finished runs")),
)


def main_table(results: ResultSet) -> Table:
    """The main comparison of a suite on the LV (or the first structure scored).

    Cells: mean over patients with the 95 % interval, averaged over seeds; the dagger marks a significant difference from the
    reference. Models without a finished run stay in the table with ``--`` and their reason in the notes.
    """
    structure, method = results.structure, ef_method(results)
    tests = {measure.name: comparisons(results, measure) for measure in results.measures}
    error = ef_measure(results)
    if error:
        tests[error.name] = comparisons(results, error)
    daggers = {(one.other, key): one.significant(ALPHA) for key, family in tests.items() for one in family}
    rows = [_row(results, arm, method, daggers) for arm in results.arms]
    source = Source("record", "first_frame", "as recorded")
    protocol = Column(
        key="first_frame", header="First frame", text=True, csv_only=len(results.protocols) < 2, source=source
    )
    accuracy = [measure_column(measure) for measure in results.measures]
    return Table(
        name="table",
        title=f"{results.heading}: {STRUCTURE_NAMES.get(structure, structure)} on the test split of {results.dataset}",
        caption=caption(results, _counted(rows), method, tests),
        columns=(*accuracy, *_ef_columns(results, method), *COST_COLUMNS, protocol, *COUNT_COLUMNS),
        rows=tuple(rows),
        notes=(*missing_notes(results), *condition_notes(results, "FPS and memory"), *results.notes),
        mark=results.mark,
        scope=results.name,
    )


def summary_cell(summary: SeedSummary, *, dagger: bool = False) -> Cell:
    """A table cell of a summary over seeds."""
    return Cell.of(summary.interval, seed_sd=summary.seed_sd, dagger=dagger)


def value_cell(values: pd.DataFrame, *, dagger: bool = False) -> Cell:
    """A table cell of values [patients, seeds]; missing when there are none."""
    return summary_cell(summarise(values.to_numpy()), dagger=dagger) if values.size else Cell()


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
    cells: dict[str, Cell] = {}
    patients = 0
    for measure in results.measures:
        values = arm.values(measure, results.main)
        cells[measure.name] = value_cell(values, dagger=daggers.get((arm.label, measure.name), False))
        patients = max(patients, len(values.dropna()))
    if method and arm.finished:
        cells |= _ef_cells(results, arm, method, dagger=daggers.get((arm.label, "ef_mae"), False))
    cells |= {column.key: cost_cells(arm)[column.key] for column in COST_COLUMNS}
    cells["first_frame"] = Cell(text=arm.first_frame)
    cells["patients"] = Cell(value=patients) if patients else Cell()
    cells["seeds"] = Cell(value=len(arm.finished))
    return Row(label=arm.label, cells=cells)


def _ef_cells(results: ResultSet, arm: Arm, method: str, *, dagger: bool) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for against, prefix in (("reference", "ef"), ("stated", "ef_stated")):
        errors = arm.values(ef_error(method, against=against), results.main)
        cells[f"{prefix}_mae"] = value_cell(errors, dagger=dagger and against == "reference")
        summary = ef_correlation(arm, method, against)
        cells[f"{prefix}_r"] = summary_cell(summary) if summary else Cell()
    return cells


def _counted(rows: list[Row]) -> str:
    """The number of patients in words: one number, or the range where models differ."""
    counts = sorted({int(row.cells["patients"].value) for row in rows if row.cells["patients"].value > 0})
    if not counts:
        return "0"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def caption(results: ResultSet, n: str, method: str | None, tests: dict[str, list[Comparison]]) -> str:
    """What the table's numbers are, in sentences; nothing is said of a test that was not made."""
    if not results.finished:
        return "No run is finished yet."
    sentences = [
        f"Mean over n = {n} patients (views, phases and frames of a patient are averaged first)"
        + (f" and {seeds_of(results)} seeds (± SD over seeds)" if results.seeds > 1 else "")
        + f" with {interval_words(results)} ({RESAMPLES:,} resamples; none below n = {SMALLEST_SAMPLE}).",
        dagger_sentence(results, tests),
        "Best bold, second underlined (ties at the displayed precision).",
        f"EF by {method_name(method)} against the EF of the reference masks by the same method." if method else "",
        f"First-frame protocol: {' and '.join(results.protocols)}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def dagger_sentence(results: ResultSet, tests: dict[str, list[Comparison]]) -> str:
    """Which test the daggers stand for; what stands against one where there is a pair but no test; else nothing."""
    family = max((list(filter(lambda one: one.p == one.p, made)) for made in tests.values()), key=len, default=[])
    if family:
        corrected = (
            f"Holm-corrected over the {len(family)} baselines of a column, "
            if len(family) > 1
            else "the only one of a column, uncorrected, "
        )
        return (
            f"† differs from {results.reference}: two-sided Wilcoxon signed-rank test (Pratt) on patient means, "
            f"{corrected}α = {ALPHA:g}."
        )
    if any(tests.values()):
        return f"No test: fewer than {SMALLEST_PAIRED_SAMPLE} patients are shared with {results.reference}."
    return ""
