"""Every paired test of a report is made here and nowhere else: the one door from results to ``harness.statistics``.

A comparison is reference minus other. Families of Holm's correction are declared where a test is made: the other arms of
one measure (suites), one severity (conditions), all arms and kinds of images (augmentation), main effects and contrasts
apart (studies).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from harness.results.conditions import Wide, at, interval, mean_of
from harness.results.measures import DICE, Measure, Selection
from harness.results.result_set import Arm, ResultSet, design_of
from harness.results.sweep import DECIMALS
from harness.statistics.effects import Effect, contrasts, main_effects
from harness.statistics.paired import (
    SMALLEST_PAIRED_SAMPLE,
    Comparison,
    Verdict,
    compare,
    hodges_lehmann,
    holm,
    margin_verdict,
    signed_rank_p,
)
from harness.statistics.ranks import (
    Friedman,
    Nemenyi,
    RankStability,
    complete_cases,
    friedman,
    nemenyi,
    rank_stability,
)
from harness.store.formats.sweep import CLEAN

__all__ = ["SMALLEST_PAIRED_SAMPLE", "Comparison", "Effect", "Verdict"]

ALPHA = 0.05
CLEAN_IMAGES = "clean images"


def comparisons(results: ResultSet, measure: Measure, selection: Selection | None = None) -> list[Comparison]:
    """The reference against every other finished arm on patients x seeds; nothing where the reference is not finished."""
    selection = selection or results.main
    return against(results.reference, {arm.label: arm.values(measure, selection) for arm in results.finished}, measure)


def against(reference: str, values: Mapping[str, pd.DataFrame], measure: Measure) -> list[Comparison]:
    """Compare values [patients, seeds] with the reference's; nothing when the reference has none."""
    if reference not in values or not values[reference].size:
        return []
    others = {label: table for label, table in values.items() if label != reference and table.size}
    return compare(reference, others, values[reference], margin=measure.margin, higher=measure.higher)


def overall(results: ResultSet, measure: Measure) -> list[Comparison]:
    """The reference against every other arm on each patient's mean over all conditions of a sweep."""
    means = {
        arm.label: mean_of(arm.under(measure), results.perturbations, results.severities) for arm in results.finished
    }
    reference = means.pop(results.reference)
    return compare(results.reference, means, reference, margin=measure.margin, higher=measure.higher)


def by_condition(results: ResultSet, measure: Measure) -> pd.DataFrame:
    """The reference against every other arm under each single condition, on the same patients.

    One family of Holm's correction is one severity: all perturbations and all other arms at it.

    Returns:
        Columns ``severity, perturbation, other, n, shift, low, high, p, p_adjusted``: the Hodges-Lehmann difference
        reference minus other with its 95 % interval, and the two-sided signed-rank p (Pratt).
    """
    reference = results.arm(results.reference).under(measure)
    rows = [
        {"severity": severity, "perturbation": name, "other": arm.label}
        | _paired(at(reference, name, severity), at(arm.under(measure), name, severity))
        for severity in results.severities
        for name in results.perturbations
        for arm in results.others
    ]
    table = pd.DataFrame(rows)
    if len(table):
        table["p_adjusted"] = table.groupby("severity")["p"].transform(holm)
    return table


def _paired(reference: pd.Series, other: pd.Series) -> dict[str, float]:
    pairs = pd.concat([reference, other], axis=1, join="inner").dropna().to_numpy(float)
    difference = pairs[:, 0] - pairs[:, 1] if len(pairs) else np.empty(0)
    shift, low, high = hodges_lehmann(difference)
    return {"n": len(difference), "shift": shift, "low": low, "high": high, "p": signed_rank_p(difference)}


def augmented_pairs(results: ResultSet) -> list[tuple[Arm, Arm]]:
    """Every augmented arm with the plain one of the same model and recipe."""
    by_label = {arm.label: arm for arm in results.arms}
    return [(arm, by_label[arm.plain]) for arm in results.arms if arm.plain in by_label]


def gains(results: ResultSet, measure: Measure) -> pd.DataFrame:
    """Augmented minus plain, paired by patient, for clean images and the means over seen and unseen perturbations.

    A patient's means are over the conditions in which both arms have a value (an EF or HD95 may be undefined). One
    family of Holm's correction is everything this returns: all augmented arms, all kinds of images.

    Returns:
        Columns ``model, images, plain, augmented, gain, p, p_adjusted``; the three in the middle are ``Interval``:
        means over patients with 95 % BCa interval. p: two-sided signed-rank (Pratt).
    """
    rows = [
        {"model": base.label, "images": images} | _gain(arm.under(measure), base.under(measure), conditions)
        for arm, base in augmented_pairs(results)
        for images, conditions in image_kinds(results, arm).items()
    ]
    table = pd.DataFrame(rows)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(float))) if len(table) else table


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


def _gain(augmented: Wide, plain: Wide, conditions: list[tuple[str, int]]) -> dict[str, object]:
    index = augmented.index.intersection(plain.index)
    first, second = (
        wide.reindex(index=index, columns=pd.MultiIndex.from_tuples(conditions)) for wide in (augmented, plain)
    )
    both = first.notna() & second.notna()
    means = [wide.where(both).mean(axis=1).dropna() for wide in (first, second)]
    difference = means[0] - means[1]
    return {
        "plain": interval(means[1]),
        "augmented": interval(means[0]),
        "gain": interval(difference),
        # Stored values are rounded: a tie must stay one whatever the order of the additions.
        "p": signed_rank_p(difference.round(DECIMALS).to_numpy(float)),
    }


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
    several = len(definition.factors) > 1 and definition.kind == "grid"
    effects = main_effects(scores, cells, levels, definition.labels) if several else []
    return [*effects, *contrasts(scores, design.cells[0].key, design.names)]


def effect_verdict(effect: Effect, measure: Measure) -> Verdict | None:
    """The interval of an effect against the measure's margin; None where there is no margin or no interval."""
    if not measure.margin or not np.isfinite(effect.low):
        return None
    return margin_verdict(effect.low, effect.high, measure.margin)


def dice_by_patient(results: ResultSet) -> pd.DataFrame:
    """Dice in percent per patient (row) and finished arm (column), averaged over seeds; NaN where a seed has none."""
    tables = {arm.label: arm.values(DICE, results.main) for arm in results.finished}
    return pd.DataFrame({label: table.mean(axis=1, skipna=False) for label, table in tables.items()})


def ranking(results: ResultSet) -> tuple[pd.DataFrame, RankStability] | None:
    """Dice of the patients that every arm has, and how stable its ranking is; None below two arms or two patients."""
    scores = complete_cases(dice_by_patient(results))
    return (scores, rank_stability(scores)) if scores.shape[1] > 1 and len(scores) > 1 else None


def omnibus(scores: pd.DataFrame) -> Friedman:
    """Friedman's test over all arms on complete cases [patients, arms]."""
    return friedman(scores)


def rank_differences(scores: pd.DataFrame) -> Nemenyi:
    """Nemenyi's test of all pairs on complete cases [patients, arms]."""
    return nemenyi(scores)
