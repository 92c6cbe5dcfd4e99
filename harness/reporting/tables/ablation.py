"""The ablation table in the paper's layout: one row per variant of a study."""

from __future__ import annotations

import math

import pandas as pd

from harness.reporting.tables.cost import GMACS, PARAMETERS, cost_cells, noise_note
from harness.reporting.tables.effects import is_tested, untested_effects
from harness.reporting.tables.main_comparison import value_cell
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, measure_column
from harness.reporting.tables.words import interval_words, missing_notes
from harness.results.arm import Arm
from harness.results.comparisons import ALPHA, study_effects
from harness.results.design import Design
from harness.results.measures import DICE
from harness.results.profile import clip_time, headline
from harness.results.result_set import STRUCTURE_NAMES, ResultSet, design_of
from harness.store.formats.study import MOOT
from harness.store.formats.study import Cell as Variant

CHECK, CROSS, NOTHING = "✓", "×", "·"
"""A module that is on, one that is off, one that has no effect in this cell."""


def ablation_table(results: ResultSet) -> Table:
    """One row per variant: check marks or levels, accuracy with intervals, cost.

    † marks a difference from the full model, corrected over the variants within each column.
    """
    design = design_of(results)
    factors, measures = design.definition.factors, results.measures
    daggers = {
        (effect.name, measure.name): effect.shown
        for measure in measures
        for effect in study_effects(results, measure)
        if effect.kind == "contrast"
    }
    rows = []
    for variant in design.cells:
        name = design.names[variant.key]
        arm = results.arm(name)
        cells = {factor.name: Cell(text=_level(design, variant, factor.name)) for factor in factors}
        for measure in measures:
            dagger = daggers.get((name, measure.name), False)
            cells[measure.name] = value_cell(arm.values(measure, results.main), measure, dagger=dagger)
        rows.append(Row(label=name, cells=cells | _cost(arm) | _counts(arm, arm.values(DICE, results.main))))
    return Table(
        name="ablation",
        title=f"{results.heading}: {STRUCTURE_NAMES.get(results.structure, results.structure)} on the test split "
        f"of {results.dataset}",
        caption=_caption(results),
        columns=(
            *(
                Column(
                    key=factor.name, header=factor.label, text=True, source=Source("archive", "levels", "as designed")
                )
                for factor in factors
            ),
            *(measure_column(measure) for measure in measures),
            Column(
                key="clip_ms",
                header="Clip",
                unit="ms",
                direction="down",
                digits=1,
                source=Source("profile", "median_ms", "first clip"),
            ),
            GMACS,
            PARAMETERS,
            Column(
                key="validation_dice",
                header="Validation Dice",
                digits=4,
                csv_only=True,
                source=Source("record", "results.validation_dice", "mean over seeds"),
            ),
            Column(
                key="patients", header="n", digits=0, source=Source("cases", "patient", "patients with every value")
            ),
            Column(key="seeds", header="Seeds", digits=0, source=Source("record", "status", "finished runs")),
        ),
        rows=tuple(rows),
        notes=tuple(_notes(results)),
        mark=results.mark,
        scope=results.name,
        stub="Variant",
    )


def _level(design: Design, variant: Variant, name: str) -> str:
    level = variant.levels[name]
    if level == MOOT:
        return NOTHING
    return {"on": CHECK, "off": CROSS}[level] if design.definition.factor(name).switch else level


def _cost(arm: Arm) -> dict[str, Cell]:
    milliseconds, busy = clip_time(run.profile for run in arm.finished)
    return {
        "clip_ms": Cell(value=milliseconds, unranked=busy),
        **{column.key: cost_cells(arm)[column.key] for column in (GMACS, PARAMETERS)},
    }


def _counts(arm: Arm, values: pd.DataFrame) -> dict[str, Cell]:
    scores = [run.record.get("results", {}).get("validation_dice") for run in arm.finished]
    known = [score for score in scores if score is not None]
    return {
        "validation_dice": Cell(value=sum(known) / len(known) if known else math.nan),
        "patients": Cell(value=len(values.dropna())),
        "seeds": Cell(value=len(arm.finished)),
    }


def _caption(results: ResultSet) -> str:
    design = design_of(results)
    seeds = len(design.definition.seeds)
    over = f"patients and {seeds} trainings (± SD over trainings)" if seeds > 1 else "patients; one training"
    switches = any(factor.switch for factor in design.definition.factors)
    signs = "✓: part is on, ×: off, ·: it means nothing in this variant. " if switches else ""
    return (
        f"Mean over {over} with {interval_words(results)}. {signs}"
        f"{_dagger_words(results)}Checkpoints were selected on validation Dice; the test split took no part in any choice. "
        f"Clip: a whole clip at inference. First-frame protocol: {' and '.join(results.protocols)}."
    )


def _dagger_words(results: ResultSet) -> str:
    """What a dagger stands for: the correction counts the variants that were tested, and names the others."""
    effects = [e for m in results.measures for e in study_effects(results, m) if e.kind == "contrast"]
    tested = [e for e in effects if is_tested(e)]
    if not tested:
        return f"No daggers: {untested_effects(effects) or 'nothing is compared'}. "
    sizes = sorted(
        {sum(e.kind == "contrast" and is_tested(e) for e in study_effects(results, m)) for m in results.measures}
    )
    several = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else str(sizes[0])
    others = "one other variant" if sizes == [1] else f"{several} variants"
    rest = untested_effects([e for e in effects if not is_tested(e)])
    return (
        "† differs from the full model, patients and trainings as crossed random effects, Bonferroni over the "
        f"{others} of a column{' that were tested' if rest else ''}, α = {ALPHA:g}. "
        + (f"Not tested, so that a missing † says nothing: {rest}. " if rest else "")
    )


def _notes(results: ResultSet) -> list[str]:
    conditions = dict.fromkeys(headline(run.profile).condition for arm in results.arms for run in arm.finished)
    noisy = [arm.label for arm in results.arms if clip_time(run.profile for run in arm.finished)[1]]
    return [*missing_notes(results), *noise_note(noisy), *(f"Cost: {line}." for line in conditions if line)]
