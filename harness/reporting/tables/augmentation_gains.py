"""What training with the perturbations buys: each augmented arm beside the plain one, on the same patients."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.comparisons import ALPHA, augmented_pairs, gains, image_kinds
from harness.results.measures import Measure
from harness.results.result_set import ResultSet

_INTERVALS = ("plain", "augmented", "gain")


def augmentation_table(results: ResultSet) -> Table | None:
    """Plain, augmented and the gain for every quantity; None where no arm has a plain one beside it."""
    if not augmented_pairs(results):
        return None
    rows = [row for measure in results.measures for row in _rows(measure, gains(results, measure))]
    tests = sum(len(image_kinds(results, arm)) for arm, _ in augmented_pairs(results))
    return Table(
        name="robustness_augmentation",
        title=f"{results.heading}: what training with the perturbations buys on the test split of {results.dataset}",
        caption="Means over patients, severities and perturbations with 95 % BCa bootstrap interval; differences are paired "
        f"by patient. † two-sided signed-rank test (Pratt), Holm-corrected within a quantity ({tests} tests), α = {ALPHA}.",
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
        cells = {key: Cell.of(one[key]) for key in _INTERVALS}
        cells["gain"] = replace(cells["gain"], dagger=bool(one["p_adjusted"] < ALPHA))
        cells["p"] = Cell(value=one["p_adjusted"])
        rows.append(Row(label=f"{one['model']}, {one['images']}", cells=cells, group=group))
    return rows


def _seen_notes(results: ResultSet) -> tuple[str, ...]:
    """What each augmented arm saw; one sentence where all saw the same."""
    seen = {arm.label: sorted(arm.seen & set(results.perturbations)) for arm, _ in augmented_pairs(results)}
    words = {label: ", ".join(name.replace("_", " ") for name in names) for label, names in seen.items()}
    if len(set(words.values())) == 1:
        return (f"Seen in training: {next(iter(words.values()))}.",)
    return tuple(f"{label} saw in training: {text}." for label, text in words.items())
