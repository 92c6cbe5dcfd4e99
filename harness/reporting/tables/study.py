"""The tables of a study: the ablation table in the paper's layout, effects, importances, trials."""

from __future__ import annotations

import math

import pandas as pd

from harness.experiments.study.cells import Cell as Variant
from harness.reporting.measures import ALPHA, Measure, value_cell
from harness.reporting.tables.main import COST_COLUMNS
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.profile import median_summary
from harness.results.study.results import StudyResults, clip_ms
from harness.results.suite import STRUCTURE_NAMES, Arm
from harness.statistics.effects import Effect, contrasts, main_effects
from harness.statistics.importance import importances
from harness.statistics.matching import MOOT
from harness.statistics.paired import DICE_MARGIN, margin_verdict

CHECK, CROSS, NOTHING = "✓", "×", "·"
"""A part that is on, one that is off, one that means nothing in this variant."""


def all_tables(results: StudyResults) -> list[Table]:
    """Every table that this study has something for, the main one first."""
    if not results.cells:
        return [trial_table(results), importance_table(results)]
    return [ablation_table(results), *effect_tables(results), importance_table(results)]


def ablation_table(results: StudyResults) -> Table:
    """One row per variant: check marks or levels, accuracy with intervals, cost.

    † marks a difference from the full model, Holm-corrected over the variants within each column.
    """
    factors = results.definition.factors
    measures = results.measures
    daggers = {
        (effect.name, measure.metric): effect.p_adjusted < ALPHA
        for measure in measures
        for effect in study_effects(results, measure)
        if effect.kind == "contrast"
    }
    values = {measure.metric: results.scores(measure) for measure in measures}
    rows = []
    for variant in results.cells:
        name, arm = results.names[variant.key], results.arm(variant)
        cells = {factor.name: Cell(text=_level(results, variant, factor.name)) for factor in factors}
        for measure in measures:
            table = values[measure.metric].get(variant.key, pd.DataFrame(dtype=float))
            cells[measure.metric] = value_cell(table, dagger=daggers.get((name, measure.metric), False))
        rows.append(Row(label=name, cells=cells | _cost(arm) | _counts(arm, values["dice"].get(variant.key))))
    return Table(
        name="ablation",
        title=f"{results.suite.name}: {STRUCTURE_NAMES.get(results.structure, results.structure)} on the test split "
        f"of {results.suite.dataset}",
        caption=_caption(results),
        columns=(
            *(Column(key=factor.name, header=factor.label, text=True) for factor in factors),
            *(measure.column for measure in measures),
            Column(key="clip_ms", header="Clip", unit="ms", direction="down", digits=1),
            *(column for column in COST_COLUMNS if column.key in ("gmacs", "parameters_m")),
            Column(key="validation_dice", header="Validation Dice", digits=4, csv_only=True),
            Column(key="patients", header="n", digits=0),
            Column(key="seeds", header="Seeds", digits=0),
        ),
        rows=tuple(rows),
        notes=tuple(_notes(results)),
        mark=results.suite.mark,
        stub="Variant",
    )


def _level(results: StudyResults, variant: Variant, name: str) -> str:
    level = variant.levels[name]
    if level == MOOT:
        return NOTHING
    return {"on": CHECK, "off": CROSS}[level] if results.definition.factor(name).switch else level


def _cost(arm: Arm) -> dict[str, Cell]:
    cost = median_summary(run.profile for run in arm.finished)
    clips = [clip_ms(run.profile) for run in arm.finished]
    return {
        "clip_ms": Cell(value=next((ms for ms in clips if math.isfinite(ms)), math.nan)),
        "gmacs": Cell(value=cost.gmacs),
        "parameters_m": Cell(value=cost.parameters / 1e6),
    }


def _counts(arm: Arm, values: pd.DataFrame | None) -> dict[str, Cell]:
    scores = [run.record.get("results", {}).get("validation_dice") for run in arm.finished]
    known = [score for score in scores if score is not None]
    return {
        "validation_dice": Cell(value=sum(known) / len(known) if known else math.nan),
        "patients": Cell(value=len(values.dropna()) if values is not None else 0),
        "seeds": Cell(value=len(arm.finished)),
    }


def _caption(results: StudyResults) -> str:
    seeds = len(results.definition.seeds)
    over = f"patients and {seeds} seeds (± SD over seeds)" if seeds > 1 else "patients; one seed"
    test = (
        "t test of the paired difference with patients and seeds as crossed random effects"
        if seeds > 1
        else "two-sided Wilcoxon signed-rank test on patients"
    )
    others = f"{len(results.cells) - 1} variants" if len(results.cells) > 2 else "one other variant"
    switches = any(factor.switch for factor in results.definition.factors)
    signs = "✓: part is on, ×: off, ·: it means nothing in this variant. " if switches else ""
    return (
        f"Mean over {over} with 95 % bootstrap interval. {signs}"
        f"† differs from the full model: {test}, Holm-corrected over the {others} of a column, "
        f"α = {ALPHA:g}. Checkpoints were selected on validation Dice; the test split took no part in any choice. "
        f"Clip: a whole clip at inference. First-frame protocol: {' and '.join(results.suite.protocols)}."
    )


def _notes(results: StudyResults) -> list[str]:
    notes = [f"{arm.label}: {arm.reason}." for arm in results.suite.arms if arm.reason]
    profiles = (median_summary([run.profile]).condition for arm in results.suite.arms for run in arm.finished)
    return [*notes, *(f"Cost: {line}." for line in dict.fromkeys(profiles) if line)]


def study_effects(results: StudyResults, measure: Measure) -> list[Effect]:
    """Main effects and interactions, then the contrasts of every variant with the full model."""
    if measure.metric not in results.cache:
        results.cache[measure.metric] = _study_effects(results, measure)
    found: list[Effect] = results.cache[measure.metric]
    return found


def _study_effects(results: StudyResults, measure: Measure) -> list[Effect]:
    scores = results.scores(measure)
    definition = results.definition
    levels = {factor.name: list(factor.levels) for factor in definition.factors}
    cells = {cell.key: cell.levels for cell in results.cells}
    several = len(definition.factors) > 1 and definition.kind == "grid"
    effects = main_effects(scores, cells, levels, definition.labels) if several else []
    return [*effects, *contrasts(scores, results.cells[0].key, results.names)]


def effect_tables(results: StudyResults) -> list[Table]:
    """One table of effects per measure that is shown; those without any effect are left out."""
    found = [(measure, study_effects(results, measure)) for measure in results.measures if not measure.csv_only]
    return [effect_table(results, measure, effects) for measure, effects in found if effects]


_GROUPS = {
    "main": "main effects (reference − level)",
    "interaction": "interactions (difference of differences)",
    "contrast": "full model − variant",
}


def effect_table(results: StudyResults, measure: Measure, effects: list[Effect]) -> Table:
    """Effects on one measure with intervals, p and (Dice) the verdict against the practical margin."""
    margin = 100 * DICE_MARGIN if measure.metric == "dice" else math.nan
    unit = "points" if measure.unit == "%" else measure.unit
    verdict = (Column(key="verdict", header=f"Against ±{margin:g} points", text=True),) if margin == margin else ()
    return Table(
        name=f"effects_{measure.header.lower()}",
        title=f"{results.suite.name}: effects on {measure.header}",
        caption=_effects_caption(effects),
        columns=(
            Column(key="effect", header="Effect", unit=unit, digits=2),
            Column(key="p", header="p", digits=3, probability=True),
            Column(key="p_adjusted", header="p (Holm)", digits=3, probability=True),
            *verdict,
            Column(key="patients", header="n", digits=0),
            Column(key="seeds", header="Seeds", digits=0),
            Column(key="bootstrap_low", header="bootstrap interval, lower", digits=2, csv_only=True),
            Column(key="bootstrap_high", header="bootstrap interval, upper", digits=2, csv_only=True),
            Column(key="pairs", header="Pairs of cells", digits=0, csv_only=True),
        ),
        rows=tuple(_effect_row(effect, margin) for effect in effects),
        mark=results.suite.mark,
        stub="Effect",
        ranked=False,
    )


def _effects_caption(effects: list[Effect]) -> str:
    several = any(effect.seeds > 1 for effect in effects)
    test = (
        "95 % interval, p and verdict: t test of the mean difference with patients and seeds as crossed random effects, "
        "which allows for few seeds (± SD over seeds)"
        if several
        else "95 % BCa interval over patients and two-sided Wilcoxon signed-rank test; one seed, so nothing is said about "
        "another one"
    )
    return (
        "Positive: the reference level has the larger value. Differences are taken within patient and seed. "
        f"{test}; Holm over main effects and interactions, and apart from them over the contrasts. An interaction says how "
        "much more one part brings when the other is on."
    )


def _effect_row(effect: Effect, margin: float) -> Row:
    cells = {
        "effect": Cell(value=effect.point, low=effect.low, high=effect.high, seed_sd=effect.seed_sd),
        "bootstrap_low": Cell(value=effect.boot_low),
        "bootstrap_high": Cell(value=effect.boot_high),
        "p": Cell(value=effect.p),
        "p_adjusted": Cell(value=effect.p_adjusted),
        "verdict": Cell(text=_verdict(effect, margin)),
        "patients": Cell(value=effect.patients),
        "seeds": Cell(value=effect.seeds),
        "pairs": Cell(value=effect.pairs),
    }
    return Row(label=effect.name, cells=cells, group=_GROUPS[effect.kind])


def _verdict(effect: Effect, margin: float) -> str:
    if not (math.isfinite(margin) and math.isfinite(effect.low)):
        return ""
    words = {"superior": "larger", "inferior": "smaller", "equivalent": "equivalent", "undecided": "undecided"}
    return words[margin_verdict(effect.low, effect.high, margin)]


def importance_table(results: StudyResults) -> Table:
    """Shares of variance of the validation Dice, f-ANOVA and Optuna's default side by side."""
    found = importances(results.study)
    labels = results.definition.labels
    rows = [
        Row(label=labels.get(str(name), str(name)), cells={key: Cell(value=float(line[key])) for key in found.columns})
        for name, line in found.iterrows()
    ]
    return Table(
        name="importance",
        title=f"{results.suite.name}: importance for validation Dice",
        caption="Shares that sum to one. They have neither sign nor uncertainty: read them beside the effects. "
        "PED-ANOVA (Optuna's default) compares the best trials with all trials and cannot rank the factors of a full "
        "factorial; it is shown for comparison only.",
        columns=(
            Column(key="variance", header="Share of variance", digits=2),
            Column(key="fanova", header="f-ANOVA", digits=2),
            Column(key="ped_anova", header="PED-ANOVA", digits=2),
        ),
        rows=tuple(rows),
        notes=() if rows else ("Too few trials are finished.",),
        mark=results.suite.mark,
        stub="Parameter",
        ranked=False,
    )


def trial_table(results: StudyResults, best: int = 10) -> Table:
    """The best trials of a search by validation Dice, with their parameters."""
    trials = results.trials()
    done = trials.dropna(subset=["value"]).sort_values("value", ascending=False).head(best)
    space = results.definition.space
    rows = []
    for _, trial in done.iterrows():
        cells = {one.name: Cell(text=_shown(trial.get(one.name))) for one in space} | {
            "run": Cell(text=str(trial["run"]))
        }
        rows.append(Row(label=f"trial {trial['number']}", cells={"value": Cell(value=float(trial["value"])), **cells}))
    counts = ", ".join(f"{count} {state}" for state, count in trials["state"].value_counts().items())
    return Table(
        name="trials",
        title=f"{results.suite.name}: best {len(rows)} of {len(trials)} trials",
        caption=f"Validation Dice of the selected checkpoint; the test split took no part. Trials: {counts or 'none'}.",
        columns=(
            Column(key="value", header="Validation Dice", digits=4, direction="up"),
            *(Column(key=one.name, header=one.label, text=True) for one in space),
            Column(key="run", header="Run", text=True, csv_only=True),
        ),
        rows=tuple(rows),
        mark=results.suite.mark,
        stub="Trial",
    )


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
