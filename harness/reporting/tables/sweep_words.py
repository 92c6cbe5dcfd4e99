"""Sentences that every table of a sweep carries."""

from __future__ import annotations

import itertools
from dataclasses import replace

from harness.reporting.tables.table import Row
from harness.reporting.tables.words import plain_words
from harness.results.comparisons import not_learned
from harness.results.measures import DICE, WHOLE, Measure
from harness.results.result_set import ResultSet


def sweep_notes(results: ResultSet) -> tuple[str, ...]:
    """Which severities mean less distortion than the others', which values are missing, and what the results note."""
    from harness.perturbations.ladders import unmatched  # here: its room brings torch, and only sweeps ask

    weaker = [plain_words(name) for name in unmatched(results.dataset) if name in results.perturbations]
    notes = [f"Not matched by SSIM, spread over what is reachable: {', '.join(weaker)}."] if weaker else []
    failed = [
        f"{label} has not learned the task: most patients fail on clean images, so that it is not ranked."
        for label in not_learned(results, WHOLE)
    ]
    return (*notes, *failed, *_missing(results), *results.notes)


def judged(results: ResultSet, row: Row) -> Row:
    """The row, with its cells unranked where the model has not learned the task: with nothing to lose it loses least."""
    if row.label not in not_learned(results, WHOLE):
        return row
    return replace(row, cells={key: replace(cell, unranked=True) for key, cell in row.cells.items()})


def _missing(results: ResultSet) -> list[str]:
    """A sentence per arm and measure whose means are over fewer values than there are patients and conditions."""
    lines = []
    for measure, arm in itertools.product(results.measures, results.arms):
        values = arm.under(measure)
        if count := int(values.isna().to_numpy().sum()):
            lines.append(
                f"{measure.header} of {arm.label}: {count} of {values.size} values are missing, and its means are over the rest."
            )
    return lines


def sweep_caption(results: ResultSet, measure: Measure = DICE) -> str:
    """What was swept, and how means and intervals of a table of ``measure`` are made."""
    low, high = results.severities[0], results.severities[-1]
    return (
        f"{len(results.perturbations)} perturbations at severities {low} to {high}, matched by mean SSIM across "
        f"perturbations; every model sees the same images. Means over patients with {interval_of(measure)}."
    )


def interval_of(measure: Measure) -> str:
    """What the interval of a mean of this measure is."""
    return "exact 95 % (Clopper–Pearson) limits" if measure.is_rate else "95 % bootstrap-t interval"
