"""Every paired test of a report is made here and nowhere else: the one door from results to ``harness.statistics``.

A comparison is reference minus other, of means over patients of means over trainings. Families are declared where a test is
made: the primary endpoint and everything else of a table (suites), the loss and the perturbed value (sweeps), all conditions,
all arms and kinds of images (augmentation), main effects and contrasts apart (studies).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pandas as pd

from harness.results.arm import Arm
from harness.results.conditions import Wide, lost, mean_of, mean_over
from harness.results.ejection import ef_measure
from harness.results.measures import DICE, Measure, Selection
from harness.results.result_set import ResultSet, design_of
from harness.results.sweep import DECIMALS
from harness.statistics.bootstrap import SMALLEST_SAMPLE
from harness.statistics.comparison import (
    SMALLEST_TRAININGS,
    Measured,
    compare_measures,
    compare_pairs,
)
from harness.statistics.effects import Effect, contrasts, main_effects
from harness.statistics.failures import FailureRate, failed_trainings, rate_of
from harness.statistics.failures import failure_rate as rate_limits
from harness.statistics.families import ALPHA
from harness.statistics.verdict import Comparison, Verdict, interval_verdict
from harness.store.formats.sweep import CLEAN

__all__ = ["ALPHA", "SMALLEST_TRAININGS", "Comparison", "Effect", "Verdict"]

CLEAN_IMAGES = "clean images"
LOSS = "loss"
"""Name of the loss of a measure against the clean image, the primary question of a sweep."""


def all_comparisons(results: ResultSet, selection: Selection | None = None) -> dict[tuple[str, str], Comparison]:
    """The reference against every other finished arm in every measure that is shown, EF included; keys (measure, arm).

    One table, two families: the primary endpoint over its baselines, and everything else. Of arms that have not learned
    the task nothing is claimed.
    """
    selection = selection or results.main
    if not results.arms:
        return {}
    # The arm's own cache lives and dies with the results, where a module's would grow with every report of a process.
    cache, key = results.arms[0].cache, ("comparisons", selection, results.reference, results.criteria.endpoint)
    if key not in cache:  # the table, its daggers, the figures and the sentences ask for the same comparisons
        measures = tested_measures(results)
        values = {m.name: {arm.label: arm.values(m, selection) for arm in results.finished} for m in measures}
        cache[key] = compare_measures(
            [measured(results, m, values[m.name]) for m in measures],
            results.reference,
            primary=results.criteria.endpoint,
            not_learned=not_learned(results, selection),
        )
    found: dict[tuple[str, str], Comparison] = cache[key]
    return found


def tested_measures(results: ResultSet) -> list[Measure]:
    """The measures that a report compares: those that are shown, and the error of EF where there is one."""
    error = None if results.perturbations else ef_measure(results)
    return [*(m for m in results.measures if not m.csv_only), *([error] if error else [])]


def comparisons(results: ResultSet, measure: Measure, selection: Selection | None = None) -> list[Comparison]:
    """The comparisons of one measure, in the order of the arms; nothing where the reference is not finished."""
    return [one for (name, _), one in all_comparisons(results, selection).items() if name == measure.name]


def measured(results: ResultSet, measure: Measure, values: Mapping[str, pd.DataFrame], key: str = "") -> Measured:
    """Values [patients, seeds] per arm with what is needed to judge them."""
    # In displayed units, as the values are: a margin of 0.5 is half a point of Dice, not 50.
    margin = results.criteria.margin(measure.name)
    return Measured(key=key or measure.name, values=values, higher=measure.higher, margin=margin)


def failure_rate(arm: Arm, selection: Selection) -> FailureRate:
    """Patients of an arm whose mean Dice says that it failed."""
    values = arm.values(DICE, selection)
    return rate_of(values if values.size else pd.DataFrame(dtype=float), scale=DICE.scale)


def lost_trainings(arm: Arm, selection: Selection) -> list[int]:
    """Seeds of the trainings that failed in most of their patients, which the mean over trainings may hide."""
    return [int(str(seed)) for seed in failed_trainings(arm.values(DICE, selection), scale=DICE.scale)]


def not_learned(results: ResultSet, selection: Selection | None = None) -> list[str]:
    """Arms that failed in most patients: whatever they differ by, it is not what the models can do."""
    return [arm.label for arm in results.finished if not failure_rate(arm, selection or results.main).learned]


def overall(results: ResultSet, measure: Measure) -> dict[str, list[Comparison]]:
    """The reference against every other arm over all conditions of a sweep: ``loss`` against clean, and the mean itself.

    What a fault costs is compared as such: an arm may be worse under faults only because it is worse on clean images.
    """
    names, levels = results.perturbations, results.severities
    # The loss is positive for the worse model whatever the measure's direction, so less is always better.
    loss = partial(lost, perturbations=names, severities=levels, higher=measure.higher)
    means = {
        arm.label: arm.by_training(measure, partial(mean_of, perturbations=names, severities=levels))
        for arm in results.finished
    }
    losses = {arm.label: arm.by_training(measure, loss) for arm in results.finished}
    columns = [
        # A point that is lost weighs as much as a point.
        Measured(key=LOSS, values=losses, higher=False, margin=results.criteria.margin(measure.name)),
        measured(results, measure, means),
    ]
    found = compare_measures(columns, results.reference, not_learned=_not_learned_clean(results))
    return {column.key: [one for (key, _), one in found.items() if key == column.key] for column in columns}


def _not_learned_clean(results: ResultSet) -> list[str]:
    """Arms of a sweep that fail in most patients on clean images."""
    return [
        arm.label for arm in results.finished if not rate_of(arm.values(DICE, Selection()), scale=DICE.scale).learned
    ]


def by_condition(results: ResultSet, measure: Measure) -> dict[tuple[int, str, str], Comparison]:
    """The reference against every other arm under each single condition; keys (severity, perturbation, other).

    All conditions and arms are one family, corrected as a whole.
    """
    columns = {
        f"{name} {severity}": measured(
            results,
            measure,
            {arm.label: arm.values(measure, Selection(), (name, severity)) for arm in results.finished},
            f"{name} {severity}",
        )
        for severity in results.severities
        for name in results.perturbations
    }
    found = compare_measures(
        list(columns.values()), results.reference, primary="", not_learned=_not_learned_clean(results)
    )
    return {
        (severity, name, arm.label): found[f"{name} {severity}", arm.label]
        for severity in results.severities
        for name in results.perturbations
        for arm in results.others
        if (f"{name} {severity}", arm.label) in found
    }


def augmented_pairs(results: ResultSet) -> list[tuple[Arm, Arm]]:
    """Every augmented arm with the plain one of the same model and recipe."""
    by_label = {arm.label: arm for arm in results.arms}
    return [(arm, by_label[arm.plain]) for arm in results.arms if arm.plain in by_label]


def gains(results: ResultSet, measure: Measure) -> pd.DataFrame:
    """Augmented minus plain, paired by patient, for clean images and the means over seen and unseen perturbations.

    A patient's means are over the conditions in which both arms have a value (an EF or HD95 may be undefined). One
    family is everything this returns: all augmented arms, all kinds of images.

    Returns:
        Columns ``model, images, plain, augmented, gain``: two ``Interval`` of means over patients, and a ``Comparison``.
    """
    rows: list[dict[str, object]] = []
    pairs: list[tuple[Measured, str, str]] = []
    for arm, base in augmented_pairs(results):
        for images, conditions in image_kinds(results, arm).items():
            tables = _paired_means(measure, arm, base, conditions)
            pairs.append((measured(results, measure, tables, f"{images} of {arm.label}"), arm.label, base.label))
            means = [mean_over(tables[one.label], measure) for one in (base, arm)]
            rows.append({"model": base.label, "images": images, "plain": means[0], "augmented": means[1]})
    found = compare_pairs(pairs, not_learned=_not_learned_clean(results))
    compared = [_limited(found[column.key, first, second], measure) for column, first, second in pairs]
    return pd.DataFrame([{**row, "gain": one} for row, one in zip(rows, compared, strict=True)])


def _limited(one: Comparison, measure: Measure) -> Comparison:
    """The comparison of two rates that differ in no patient, with the limits that so many patients give.

    There are no signs to flip, which would leave an interval of no width. Two rates differ by no more than the share of patients
    whom they differ in, and of that the exact upper limit is known.
    """
    if not measure.is_rate or one.n < SMALLEST_SAMPLE or one.paired.any():
        return one
    reach = measure.scale * rate_limits(0, one.n, one.level).high
    return replace(one, low=-reach, high=reach)


def image_kinds(results: ResultSet, arm: Arm) -> dict[str, list[tuple[str, int]]]:
    """Conditions by kind of images: clean, and what the augmented arm saw and did not see in training."""
    kinds: dict[str, list[str]] = {"seen": [], "unseen": []}
    for name in results.perturbations:
        kinds["seen" if name in arm.seen else "unseen"].append(name)
    named = {
        f"{len(names)} {kind} perturbations": [(name, severity) for name in names for severity in results.severities]
        for kind, names in kinds.items()
        if names
    }
    return {CLEAN_IMAGES: [(CLEAN, 0)], **named}


def _paired_means(measure: Measure, arm: Arm, base: Arm, conditions: list[tuple[str, int]]) -> dict[str, pd.DataFrame]:
    """Means of both arms [patients, seeds] over the conditions that both have a value of."""
    wanted = pd.MultiIndex.from_tuples(conditions)
    index = arm.under(measure).index.intersection(base.under(measure).index)
    first, second = (one.under(measure).reindex(index=index, columns=wanted).notna() for one in (arm, base))
    both = first & second

    def mean(wide: Wide) -> pd.Series:
        # Stored values are rounded: a tie must stay one whatever the order of the additions.
        return wide.reindex(index=index, columns=wanted).where(both).mean(axis=1).round(DECIMALS)

    return {one.label: one.by_training(measure, mean) for one in (arm, base)}


def study_scores(results: ResultSet, measure: Measure) -> dict[str, pd.DataFrame]:
    """Cell key → displayed values [patients, seeds]; cells without a finished run are left out."""
    values = {arm.label: arm.values(measure, results.main) for arm in results.finished}
    return {key: values[name] for key, name in design_of(results).names.items() if name in values}


def study_effects(results: ResultSet, measure: Measure) -> list[Effect]:
    """Main effects and interactions of a study, then the contrasts of every variant with the full model."""
    arm = results.arms[0]
    key = ("effects", measure.name)
    if key not in arm.cache:  # tables and figures ask for the same effects: each is drawn once
        arm.cache[key] = _study_effects(results, measure)
    effects: list[Effect] = arm.cache[key]
    return effects


def _study_effects(results: ResultSet, measure: Measure) -> list[Effect]:
    design = design_of(results)
    scores, definition = study_scores(results, measure), design.definition
    levels = {factor.name: list(factor.levels) for factor in definition.factors}
    cells = {cell.key: cell.levels for cell in design.cells}
    # With one factor a main effect is the contrast itself, and would be tested twice in one table.
    several = len(definition.factors) > 1 and definition.kind == "grid"
    failed = set(not_learned(results))
    without = [key for key, name in design.names.items() if name in failed]
    effects = main_effects(scores, cells, levels, definition.labels, not_learned=without) if several else []
    return [*effects, *contrasts(scores, design.cells[0].key, design.names, not_learned=without)]


def effect_verdict(effect: Effect, margin: float) -> Verdict | None:
    """An effect against zero and the margin; None where there is no margin or no interval."""
    if not margin or effect.low != effect.low:
        return None
    if not effect.learned:
        return "not learned"
    if not effect.tested:
        return "not compared"
    limits = (effect.low, effect.high, effect.equivalence_low, effect.equivalence_high)
    return interval_verdict(*limits, margin)
