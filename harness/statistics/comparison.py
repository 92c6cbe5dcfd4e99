"""Comparing a reference model with baselines on every measure of a table: one estimand, one variance, one verdict.

The estimand is the paired difference of means over patients of the mean over trainings (``statistics.crossed``). Estimate,
interval, test, verdict and probabilities all speak of it; Hodges-Lehmann shift, median and worst decile stand beside it by name.

A difference of models is shown where the crossed test and the sign-flip test of the patients both reject: p is the larger of the
two, the interval the hull of the two intervals. So no dagger stands beside a sign-flip p that says otherwise, and what is shown
does not rest on the normality of patients. Where trainings alone are compared, p and interval are those of the sign-flip test.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harness.statistics.bootstrap import SMALLEST_SAMPLE, Floats
from harness.statistics.crossed import arm_spread, difference, given_trainings
from harness.statistics.exact import flip_interval, smallest_p
from harness.statistics.families import ALPHA, Correction, Family, correct
from harness.statistics.moderation import floored, moderated_spreads
from harness.statistics.robust import worst_decile
from harness.statistics.verdict import Comparison, Scope

SMALLEST_TRAININGS = 3
"""With fewer trainings on either side models are not compared: the spread between trainings is then not estimated."""

_NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measure of a table: values of every arm, and how they are read.

    Attributes:
        key: name of the measure.
        values: per arm its values per patient (index) and training (columns), failures already counted as the worst.
        higher: whether larger is better.
        margin: smallest difference that matters, in the unit of the values; 0 where none is stated.
    """

    key: str
    values: Mapping[str, pd.DataFrame]
    higher: bool = True
    margin: float = 0.0


Pair = tuple[Measured, str, str]
"""A measure, the reference arm and the other one."""


def compare_measures(
    measures: Sequence[Measured], reference: str, *, primary: str | None = None, not_learned: Collection[str] = ()
) -> dict[tuple[str, str], Comparison]:
    """Compare ``reference`` with every other arm in every measure; keys are (measure, other arm).

    Args:
        measures: the columns of one table; the variance between trainings is moderated over all their arms.
        primary: key of the primary endpoint, corrected over its baselines; None: the first measure. All other columns are
            the secondary family, corrected as a whole.
        not_learned: arms that have not learned the task; a comparison with them gets neither test nor verdict.

    An arm without values of a measure, and a measure without the reference, have no comparison.
    """
    primary = measures[0].key if primary is None and measures else primary
    pairs = [
        (m, reference, other)
        for m in measures
        for other in m.values
        if other != reference and reference in m.values and m.values[other].size and m.values[reference].size
    ]
    found = compare_pairs(
        [pair for pair in pairs if pair[0].key == primary],
        [pair for pair in pairs if pair[0].key != primary],
        measures=measures,
        not_learned=not_learned,
    )
    # A missing column must not change the order in which tables show what there is.
    return {(m.key, other): found[m.key, reference, other] for m, _, other in pairs}


def compare_pairs(
    primary: Sequence[Pair],
    secondary: Sequence[Pair] = (),
    *,
    measures: Sequence[Measured] = (),
    not_learned: Collection[str] = (),
) -> dict[tuple[str, str, str], Comparison]:
    """Compare any pairs of arms (measure, reference, other): two families, keys as the pairs with the measure's key.

    ``measures`` are those whose arms the variance between trainings is moderated over; by default those of the pairs.
    """
    pairs = [*primary, *secondary]
    used = {m.key: m for m in [*measures, *(pair[0] for pair in pairs)]}
    # Trainings are compared on the patients that every one of them has: a column mean over other patients is another
    # mean.
    complete = {
        key: {arm: _complete(table) for arm, table in m.values.items() if table.size} for key, m in used.items()
    }
    spreads = {
        key: {arm: arm_spread(values.to_numpy()) for arm, values in arms.items()} for key, arms in complete.items()
    }
    # Before pairing: the prior comes from all arms of the table, not from the two of one row.
    moderated = moderated_spreads(spreads) if spreads else {}
    keys = [(m.key, reference, other) for m, reference, other in pairs]
    patients = _patient_variances(keys, complete)
    found = {
        key: _pair(pair, complete[key[0]], moderated[key[0]], patients[key], not_learned)
        for key, pair in zip(keys, pairs, strict=True)
    }
    return {
        # Bonferroni's intervals hold all at once, which the headline has to; Benjamini and Hochberg's miss 5 % of
        # what is shown.
        **_corrected(found, keys[: len(primary)], "bonferroni"),
        **_corrected(found, keys[len(primary) :], "benjamini-hochberg"),
    }


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    return table.dropna(axis=0, how="any").astype(np.float64)


def _patient_variances(
    keys: Sequence[tuple[str, str, str]], complete: Mapping[str, Mapping[str, pd.DataFrame]]
) -> dict[tuple[str, str, str], float]:
    """Variance of the patients' differences of every pair, not below its moderated value over the pairs of its measure."""
    found: dict[tuple[str, str, str], float] = {}
    for measure in dict.fromkeys(key for key, _, _ in keys):
        own = [key for key in keys if key[0] == measure]
        paired = [np.subtract(*(values.mean(axis=1) for values in _shared(complete[measure], *key[1:]))) for key in own]
        variances = [float(values.var(ddof=1)) if len(values) > 1 else _NAN for values in paired]
        found |= dict(zip(own, floored(variances, [len(values) - 1 for values in paired]).tolist(), strict=True))
    return found


def _shared(complete: Mapping[str, pd.DataFrame], reference: str, other: str) -> tuple[Floats, Floats]:
    """Values [n, trainings] of two arms for the patients that both have in full."""
    first, second = complete[reference], complete[other]
    shared = first.index.intersection(second.index)
    return first.loc[shared].to_numpy(), second.loc[shared].to_numpy()


def _pair(
    pair: Pair,
    complete: Mapping[str, pd.DataFrame],
    moderated: Mapping[str, tuple[float, float, float]],
    patients: float,
    not_learned: Collection[str],
) -> Comparison:
    """One comparison before its family is known; ``patients``: the moderated variance of its differences."""
    measured, reference, other = pair
    a, b = _shared(complete, reference, other)
    n, trainings = len(a), (a.shape[1], b.shape[1])
    # Two trainings have one degree of freedom: Student's 95 % quantile is 12.7, and no model could be told from
    # another.
    scope: Scope = "none" if not n else "models" if n > 1 and min(trainings) >= SMALLEST_TRAININGS else "trainings"
    parts = [moderated[arm] for arm in (reference, other)]
    if scope == "models":
        one, two = parts
        estimate = difference(a, b, (one[0], two[0]), (one[1], two[1]), (one[2], two[2]), patients)
    else:
        estimate = given_trainings(a, b)
    # What the signs are flipped of: one value per patient, so that frames and views are not taken for patients.
    paired = a.mean(axis=1) - b.mean(axis=1)
    tails = [worst_decile(values.mean(axis=1), higher=measured.higher) for values in (a, b)]
    return Comparison(
        measure=measured.key,
        reference=reference,
        other=other,
        scope=scope,
        n=n,
        trainings=trainings,
        higher=measured.higher,
        margin=measured.margin,
        estimate=estimate,
        worst_decile=tails[0] - tails[1],
        paired=paired,
        learned=not {reference, other} & set(not_learned),
        spread=(float(np.sqrt(parts[0][0])), float(np.sqrt(parts[1][0]))),
    )


def _corrected(
    found: Mapping[tuple[str, str, str], Comparison], family: list[tuple[str, str, str]], correction: Correction
) -> dict[tuple[str, str, str], Comparison]:
    """The comparisons of one family with everything that depends on its level."""
    # The larger p of two tests, and the hull of both intervals: shown is what does not rest on one of them alone.
    raw = [max(found[key].estimate.p, found[key].flip.p) if _tested(found[key]) else _NAN for key in family]
    known = correct(raw, correction)
    return {
        key: _finished(found[key], p, float(adjusted), known)
        for key, p, adjusted in zip(family, raw, known.adjusted, strict=True)
    }


def _tested(one: Comparison) -> bool:
    return one.scope == "models" and one.learned and one.n >= SMALLEST_SAMPLE


def _interval(one: Comparison, level: float) -> tuple[float, float]:
    """The sign-flip interval of these trainings; of models its hull with the crossed one."""
    return flip_interval(one.paired, level, one.estimate.interval(level) if one.scope == "models" else None)


def _detectable(one: Comparison, alpha: float) -> float:
    """NaN below ten patients; infinite where no sign-flip p of so many is below ``alpha``."""
    if one.n < SMALLEST_SAMPLE:
        return _NAN
    return one.estimate.detectable(alpha) if smallest_p(one.n) < alpha else float("inf")


def _finished(one: Comparison, p: float, adjusted: float, family: Family) -> Comparison:
    nothing = (_NAN, _NAN)
    # Outside of the family there is nothing to correct: these trainings are described with a plain 95 % interval.
    alpha = family.level if _tested(one) else ALPHA
    interval = _interval(one, 1 - alpha) if one.n >= SMALLEST_SAMPLE else nothing
    models = _tested(one)
    # Two one-sided tests at alpha are an interval at 1 - 2 alpha (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987). Bonferroni's
    # level in every family: that of Benjamini and Hochberg grows with the differences shown, which say nothing about equivalence.
    equivalence = _interval(one, 1 - 2 * ALPHA / max(family.tests, 1)) if models else nothing
    better, same, worse = one.estimate.probabilities(one.margin) if models else (_NAN, _NAN, _NAN)
    # The estimate is first minus second; where smaller is better, a negative difference is the better one.
    if not one.higher:
        better, worse = worse, better
    return replace(
        one,
        level=1 - alpha,
        p=p,
        p_adjusted=adjusted,
        correction=family.correction,
        tests=family.tests,
        low=interval[0],
        high=interval[1],
        equivalence_low=equivalence[0],
        equivalence_high=equivalence[1],
        p_better=better,
        p_equivalent=same,
        p_worse=worse,
        detectable=_detectable(one, alpha),
    )
