"""What training with the perturbations buys: each augmented arm beside the plain one, on the same patients."""

from __future__ import annotations

import pandas as pd

from harness.reporting.tables.family_words import families_sentence
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, on_scale
from harness.results.comparisons import Comparison, augmented_pairs, gains
from harness.results.measures import Measure
from harness.results.result_set import ResultSet

_INTERVALS = ("plain", "augmented")


def augmentation_table(results: ResultSet) -> Table | None:
    """Plain, augmented and the gain for every quantity; None where no arm has a plain one beside it."""
    if not augmented_pairs(results):
        return None
    found = {measure: gains(results, measure) for measure in results.measures}
    rows = [row for measure, table in found.items() for row in _rows(measure, table)]
    return Table(
        name="robustness_augmentation",
        title=f"{results.heading}: what training with the perturbations buys on the test split of {results.dataset}",
        caption="Means over patients, severities and perturbations with 95 % bootstrap-t interval (failures: exact limits); differences are paired by "
        "patient, every quantity is a family of its own. "
        + families_sentence({measure.header: list(table["gain"]) for measure, table in found.items()}),
        columns=(
            Column(key="plain", source=Source("patients", "the row's group", "plain"), header="Plain", digits=2),
            Column(
                key="augmented", source=Source("patients", "the row's group", "augmented"), header="Augmented", digits=2
            ),
            Column(
                key="gain", source=Source("patients", "the row's group", "gain"), header="Augmented − plain", digits=2
            ),
            Column(
                key="p",
                source=Source("patients", "the row's group", "p"),
                header="Adjusted p",
                digits=4,
                probability=True,
            ),
        ),
        rows=tuple(rows),
        notes=(*_seen_notes(results), *results.notes),
        stub="Model, images",
        mark=results.mark,
        scope=results.name,
        ranked=False,
    )


def _rows(measure: Measure, found: pd.DataFrame) -> list[Row]:
    group = f"{measure.header} [{measure.unit}], {'higher' if measure.higher else 'lower'} is better"
    rows = []
    for one in found.to_dict("records"):
        cells = {key: on_scale(Cell.of(one[key]), measure) for key in _INTERVALS}
        gain: Comparison = one["gain"]
        cells["gain"] = Cell(value=gain.difference, low=gain.low, high=gain.high, dagger=gain.shown)
        cells["p"] = Cell(value=gain.p_adjusted)
        rows.append(Row(label=f"{one['model']}, {one['images']}", cells=cells, group=group))
    return rows


def _seen_notes(results: ResultSet) -> tuple[str, ...]:
    """What each augmented arm saw; one sentence where all saw the same."""
    seen = {arm.label: sorted(arm.seen & set(results.perturbations)) for arm, _ in augmented_pairs(results)}
    words = {label: ", ".join(name.replace("_", " ") for name in names) for label, names in seen.items()}
    if len(set(words.values())) == 1:
        return (f"Seen in training: {next(iter(words.values()))}.",)
    return tuple(f"{label} saw in training: {text}." for label, text in words.items())
