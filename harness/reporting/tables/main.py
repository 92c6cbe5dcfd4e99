"""The main comparison: accuracy with intervals, clinical read-out and cost, one row per model."""

from __future__ import annotations

from harness.reporting.measures import (
    ALPHA,
    Measure,
    against_reference,
    arm_values,
    ef_correlation,
    ef_errors,
    ef_method,
    has_stated_ef,
    suite_measures,
    summary_cell,
    value_cell,
)
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.profile import median_summary
from harness.results.suite import STRUCTURE_NAMES, Arm, SuiteResults
from harness.statistics.bootstrap import RESAMPLES, SMALLEST_SAMPLE

COST_COLUMNS = (
    Column(key="fps", header="FPS", direction="up", digits=1),
    Column(key="gmacs", header="GMACs/frame", direction="down", digits=2),
    Column(key="parameters_m", header="Param.", unit="M", direction="down", digits=2),
    Column(key="memory_mb", header="Memory", unit="MB", direction="down", digits=0),
)
TAIL_COLUMNS = (
    Column(key="patients", header="n", digits=0),
    Column(key="seeds", header="Seeds", digits=0, csv_only=True),
)


def main_table(results: SuiteResults) -> Table:
    """The main comparison of a suite on the LV (or the first structure scored).

    Cells: mean over patients with the 95 % interval, averaged over seeds; the dagger marks a significant difference from the
    reference. Models without a finished run stay in the table with ``--`` and their reason in the notes.
    """
    structure = results.structures[0] if results.structures else "lv"
    measures = suite_measures(results)
    method = ef_method(results)
    daggers = _daggers(results, measures, structure, method)
    rows = [_row(arm, measures, structure, method, daggers) for arm in results.arms]
    protocol = Column(key="first_frame", header="First frame", text=True, csv_only=len(results.protocols) < 2)
    columns = (*(one.column for one in measures), *ef_columns(results, method), *COST_COLUMNS, protocol, *TAIL_COLUMNS)
    return Table(
        name="table",
        title=f"{results.name}: {STRUCTURE_NAMES.get(structure, structure)} on the test split of {results.dataset}",
        caption=caption(results, n_of(rows), method),
        columns=columns,
        rows=tuple(rows),
        notes=tuple(notes(results)),
        mark=results.mark,
    )


def ef_columns(results: SuiteResults, method: str | None) -> tuple[Column, ...]:
    """EF error and correlation against the reference masks; against the stated EF for the CSV only."""
    if method is None:
        return ()
    columns = [
        Column(key="ef_mae", header="EF MAE", unit="points", direction="down", digits=1),
        Column(key="ef_r", header="EF r", direction="up", digits=3),
    ]
    if has_stated_ef(results):
        columns += [
            Column(key="ef_stated_mae", header="stated EF MAE", unit="points", direction="down", csv_only=True),
            Column(key="ef_stated_r", header="stated EF r", direction="up", digits=3, csv_only=True),
        ]
    return tuple(columns)


def _daggers(
    results: SuiteResults, measures: list[Measure], structure: str, method: str | None
) -> dict[tuple[str, str], bool]:
    """Significance per (label, column key), for every paired column."""
    finished = [arm for arm in results.arms if arm.finished]
    columns = {
        measure.metric: (measure, {a.label: arm_values(a, measure, structure=structure) for a in finished})
        for measure in measures
    }
    if method:
        error = Measure(metric="ef_mae", header="EF MAE", unit="points", direction="down")
        columns["ef_mae"] = (error, {a.label: ef_errors(a, method, "reference") for a in finished})
    return {
        (one.other, key): one.significant(ALPHA)
        for key, (measure, values) in columns.items()
        for one in against_reference(results.reference, values, measure)
    }


def _row(
    arm: Arm, measures: list[Measure], structure: str, method: str | None, daggers: dict[tuple[str, str], bool]
) -> Row:
    cells: dict[str, Cell] = {}
    patients = 0
    for measure in measures:
        values = arm_values(arm, measure, structure=structure)
        cells[measure.metric] = value_cell(values, dagger=daggers.get((arm.label, measure.metric), False))
        patients = max(patients, len(values.dropna()))
    if method and arm.finished:
        cells |= _ef_cells(arm, method, dagger=daggers.get((arm.label, "ef_mae"), False))
    cells |= cost_cells(arm)
    cells["first_frame"] = Cell(text=arm.first_frame)
    cells["patients"] = Cell(value=patients) if patients else Cell()
    cells["seeds"] = Cell(value=len(arm.finished))
    return Row(label=arm.label, cells=cells)


def _ef_cells(arm: Arm, method: str, *, dagger: bool) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for against, prefix in (("reference", "ef"), ("stated", "ef_stated")):
        cells[f"{prefix}_mae"] = value_cell(ef_errors(arm, method, against), dagger=dagger and against == "reference")
        summary = ef_correlation(arm, method, against)
        cells[f"{prefix}_r"] = summary_cell(summary) if summary else Cell()
    return cells


def cost_cells(arm: Arm) -> dict[str, Cell]:
    """FPS, GMACs per frame, parameters (million) and peak memory of an arm; the median over its seeds."""
    cost = median_summary(run.profile for run in arm.finished)
    return {
        "fps": Cell(value=cost.fps),
        "gmacs": Cell(value=cost.gmacs),
        "parameters_m": Cell(value=cost.parameters / 1e6),
        "memory_mb": Cell(value=cost.memory_mb),
    }


def n_of(rows: list[Row]) -> str:
    """The number of patients in words: one number, or the range where models differ."""
    counts = sorted({int(row.cells["patients"].value) for row in rows if row.cells["patients"].value > 0})
    if not counts:
        return "0"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def caption(results: SuiteResults, n: str, method: str | None) -> str:
    """What the table's numbers are, in sentences."""
    baselines = sum(1 for arm in results.arms if arm.finished and arm.label != results.reference)
    seeds = max((len(arm.finished) for arm in results.arms), default=0)
    protocol = " and ".join(results.protocols)
    return " ".join(
        sentence
        for sentence in (
            f"Mean over n = {n} patients (views, phases and frames of a patient are averaged first)"
            + (f" and {seeds_of(results)} seeds (± SD over seeds)" if seeds > 1 else "")
            + f" with {interval_words(results)} ({RESAMPLES:,} resamples; none below n = {SMALLEST_SAMPLE}).",
            f"† differs from {results.reference}: two-sided Wilcoxon signed-rank test (Pratt) on patient means, "
            f"Holm-corrected over the {baselines} baselines of a column, α = {ALPHA:g}."
            if baselines
            else "",
            "Best bold, second underlined (ties at the displayed precision).",
            f"EF by {method_name(method)} against the EF of the reference masks by the same method." if method else "",
            f"First-frame protocol: {protocol}.",
        )
        if sentence
    )


def seeds_of(results: SuiteResults) -> str:
    """The number of finished seeds in words: one number, or the range where models differ."""
    counts = sorted({len(arm.finished) for arm in results.arms if arm.finished})
    return "0" if not counts else str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def interval_words(results: SuiteResults) -> str:
    """What an interval of this suite is: over patients, or over patients and seeds where there are several."""
    if max((len(arm.finished) for arm in results.arms), default=0) > 1:
        return "95 % bootstrap interval over patients × seeds"
    return "95 % BCa bootstrap interval over patients"


def notes(results: SuiteResults) -> list[str]:
    """Runs that are missing, and the condition of the cost columns."""
    lines = [f"{arm.label}: {arm.reason}." for arm in results.arms if arm.reason]
    conditions: dict[str, list[str]] = {}
    for arm in results.arms:
        line = median_summary(run.profile for run in arm.finished).condition
        if line:
            conditions.setdefault(line, []).append(arm.label)
    if len(conditions) == 1:
        return [*lines, f"FPS and memory: streaming, {next(iter(conditions))}."]
    return [
        *lines,
        *(f"FPS and memory of {', '.join(labels)}: streaming, {line}." for line, labels in conditions.items()),
    ]


def method_name(method: str) -> str:
    """A method of the rows in words: ``single_4ch`` is the single-plane Simpson's rule on the 4CH view."""
    words = {"biplane": "biplane Simpson", "single": "single-plane Simpson", "area": "area-length"}
    head, _, rest = method.partition("_")
    view = rest.rpartition("_")[2].upper()
    return words.get(head, method) + (f" ({view})" if view else "")
