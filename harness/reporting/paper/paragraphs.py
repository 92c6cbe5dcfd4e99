r"""Two paragraphs of LaTeX for a paper: what was done (``methods.tex``) and what came out (``results.tex``), numbers filled in.

Every sentence is made from the runs' own specs, the cells of the tables and the sentences of the page; what a spec does not
say is left out and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.reporting.page.verdicts import suite_verdicts
from harness.reporting.paper.bibliography import cite, data_key, model_key
from harness.reporting.render.latex import escape_latex
from harness.reporting.tables.family_words import is_tested, only_trainings, untested_sentence, why_nothing_is_tested
from harness.reporting.tables.table import MISSING, Cell, Column, Table
from harness.reporting.tables.words import interval_words, method_name, seeds_of
from harness.results.comparisons import ALPHA, all_comparisons
from harness.results.ejection import ef_method
from harness.results.result_set import STRUCTURE_NAMES, ResultSet


def results_paragraph(results: ResultSet, main: Table) -> str:
    """Means with intervals of every finished model, then the verdicts of the page."""
    structure = STRUCTURE_NAMES.get(results.structure, results.structure)
    columns = [column for column in main.columns if column.key in (main.columns[0].key, "hd95_mm", "ef_mae")]
    reached = []
    for row in main.rows:
        shown = [(column, row.cell(column.key)) for column in columns]
        # What is missing is left out: a paper must not print two dashes as a result.
        values = [_told(column, cell) for column, cell in shown if column.show(cell.value) != MISSING]
        if values:
            reached.append(f"{row.label}: {', '.join(values)}")
    lead = [f"On the {structure} of the test patients: {'; '.join(reached)}."] if reached else []
    return _paragraph("Results", [escape_latex(text) for text in [*lead, *suite_verdicts(results)]])


def methods_paragraph(results: ResultSet) -> str:
    """Data, training, measures, statistics and software, as the runs recorded them."""
    return _paragraph("Methods", [*_data(results), *_training(results), *_measuring(results), *_software(results)])


def _data(results: ResultSet) -> Iterator[str]:
    tests = {patient for arm in results.arms for table in arm.tables for patient in table["patient"]}
    yield "Data: " + escape_latex(results.heading) + cite([data_key(results)]) + f"; {len(tests)} test patients."
    if results.mark:
        yield escape_latex(f"The data are {results.mark}.")


def _training(results: ResultSet) -> Iterator[str]:
    models = [escape_latex(arm.label) + cite([model_key(arm.runs[0].model)]) for arm in results.arms]
    trainings = seeds_of(results)
    yield f"Compared were {', '.join(models)}, {trainings} training{'' if trainings == '1' else 's'} of each."
    clip, batch, steps = (_shared(results, "recipe", key) for key in ("clip_length", "batch_size", "iterations"))
    size, optimizer = _shared(results, "recipe", "image_size"), _shared(results, "recipe", "optimizer")
    if None not in (clip, batch, steps, size):
        yield escape_latex(
            f"Every model was trained for {steps} iterations on batches of {batch} clips of {clip} frames at {size} × {size} pixels"
        ) + (escape_latex(f" with {optimizer['type']}, learning rate {optimizer['lr']:g}.") if optimizer else ".")
    yield escape_latex(f"First-frame protocol: {' and '.join(results.protocols)}.")


def _measuring(results: ResultSet) -> Iterator[str]:
    names = ", ".join(measure.header for measure in results.measures)
    method = ef_method(results)
    ef = f"; ejection fraction by {method_name(method)}" if method else ""
    yield escape_latex(f"Measures: {names} at the data's own resolution{ef}") + cite(["maierhein2024"]) + "."
    yield (
        escape_latex(f"Values are means over patients (of the mean over trainings) with the {interval_words(results)}")
        + cite(["efron1993"])
        + ", failure rates have exact limits"
        + cite(["clopper1934"])
        + "."
    )
    tests = list(all_comparisons(results).values())
    if not any(is_tested(one) for one in tests):
        # Without a pair there is nothing to say.
        if only_trainings(tests):
            yield "Trainings, not models, are compared: three of each are needed for a test."
        elif tests:
            yield escape_latex(f"No comparison was tested: {why_nothing_is_tested(tests)}.")
        return
    yield (
        escape_latex(
            f"Models were compared with {results.reference} by the paired difference of these means, patients and trainings as "
            f"crossed random effects with the spread between trainings moderated over models"
        )
        + cite(["smyth2004"])
        + escape_latex(f", corrected for the number of comparisons at {ALPHA:g}.")
    )
    if untested := untested_sentence(tests, intervals=False, lead="Not tested"):
        yield escape_latex(untested)


def _software(results: ResultSet) -> Iterator[str]:
    records = [run.record for run in results.runs if run.record]
    versions = sorted({str((r.get("code") or {}).get("version") or "") for r in records} - {""})
    commits = sorted({str((r.get("code") or {}).get("commit") or "")[:10] for r in records} - {""})
    torch = sorted(
        {str(((r.get("environment") or {}).get("packages") or {}).get("torch") or "") for r in records} - {""}
    )
    facts = [("echobench", versions), ("commit", commits), ("PyTorch", torch)]
    told = [f"{name} {', '.join(values)}" for name, values in facts if values]
    if told:
        yield escape_latex(f"Software: {'; '.join(told)}.")


def _shared(results: ResultSet, *keys: str) -> Any:
    """The value that every run's spec has at these keys; None where they differ or one lacks it."""
    values: list[Any] = []
    for run in results.runs:
        value: Any = run.spec
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        values.append(value)
    # A sentence about all models is made only where all of them were trained so.
    return values[0] if values and all(value == values[0] for value in values) else None


def _told(column: Column, cell: Cell) -> str:
    column = column.at_digits_of(cell)
    interval = f" [{column.show(cell.low)}, {column.show(cell.high)}]" if cell.has_interval else ""
    return f"{column.header} {column.show(cell.value)} {column.unit}{interval}"


def _paragraph(title: str, sentences: list[str]) -> str:
    return rf"\paragraph{{{title}.}}" + "\n" + "\n".join(sentences) + "\n"
