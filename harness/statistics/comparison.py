"""Comparing a reference model with baselines on every measure of a table: one estimand, one variance, one verdict.

The estimand is the paired difference of means over patients of the mean over trainings (``statistics.crossed``). Estimate,
interval, test, verdict and probabilities all speak of it; Hodges-Lehmann shift, median and worst decile stand beside it by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.statistics.bootstrap import SMALLEST_SAMPLE, Floats
from harness.statistics.crossed import ArmSpread, Estimate, arm_spread, difference, given_trainings
from harness.statistics.exact import SignFlip, sign_flip
from harness.statistics.families import ALPHA, Correction, Family, correct
from harness.statistics.moderation import Moderated, moderate
from harness.statistics.robust import hodges_lehmann, worst_decile

SMALLEST_TRAININGS = 3
"""With fewer trainings on either side models are not compared: the spread between trainings is then not estimated."""

Scope = Literal["models", "trainings", "none"]
Verdict = Literal["superior", "inferior", "better", "worse", "equivalent", "undecided", "not compared", "not learned"]
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


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``reference`` against ``other`` in one measure; differences are reference minus other, in the unit of the measure.

    Attributes:
        scope: ``models`` where both have three trainings or more, ``trainings`` where not: then interval and ``flip`` are for
            these very trainings, nothing is tested or claimed; ``none`` without a shared patient.
        n: patients with a value in every training of both. ``trainings``: number per model.
        difference, low, high: estimate and interval at ``level``, which matches the family's correction.
        estimate: the difference with the parts of its variance.
        p, p_adjusted: two-sided, before and after correction over the family; NaN where models were not compared.
        equivalence_low, equivalence_high: interval of the two one-sided tests, at 1 - 2 (1 - level): 90 % for a single test.
        margin: smallest difference that matters; 0 where none is stated.
        p_better, p_equivalent, p_worse: posterior probabilities that the reference is better than by the margin, within it,
            worse than by it.
        detectable: smallest true difference that this design shows in 80 % of repetitions, after correction; with too few
            trainings its lower bound, as if trainings did not vary.
        worst_decile: difference of the means of the worst tenth of patients.
        paired: the patients' differences of means over trainings [n], which the robust summaries come from.
        verdict: seen from the reference: superior/inferior beyond the margin, better/worse beyond zero, equivalent within it.
    """

    measure: str
    reference: str
    other: str
    scope: Scope
    n: int
    trainings: tuple[int, int]
    higher: bool
    margin: float
    estimate: Estimate
    worst_decile: float
    paired: Floats = field(compare=False, repr=False, default_factory=lambda: np.empty(0))
    learned: bool = True
    level: float = 1 - ALPHA
    p: float = _NAN
    p_adjusted: float = _NAN
    correction: Correction = "bonferroni"
    tests: int = 0
    low: float = _NAN
    high: float = _NAN
    equivalence_low: float = _NAN
    equivalence_high: float = _NAN
    p_better: float = _NAN
    p_equivalent: float = _NAN
    p_worse: float = _NAN
    detectable: float = _NAN
    spread: tuple[float, float] = field(default=(_NAN, _NAN))
    """Moderated SD between trainings, per model."""

    def record(self) -> dict[str, Any]:
        """Plain values for files; NaN where a value is not known."""
        names = (
            *("reference", "other", "scope", "n", "trainings", "difference", "low", "high", "level", "p", "p_adjusted"),
            *("correction", "tests", "margin", "equivalence_low", "equivalence_high", "p_better", "p_equivalent"),
            *("p_worse", "detectable", "non_inferior", "verdict", "median", "shift", "worst_decile", "spread"),
        )
        flip = {"sign_flip_p": self.flip.p, "sign_flip_error": self.flip.error}
        return {**{name: getattr(self, name) for name in names}, **flip}

    @property
    def difference(self) -> float:
        """Paired difference of the means."""
        return self.estimate.point

    @cached_property
    def flip(self) -> SignFlip:
        """Exact sign-flip test of the patients' differences, given these very trainings."""
        return sign_flip(self.paired)

    @cached_property
    def median(self) -> float:
        """Median of the paired differences."""
        return float(np.median(self.paired)) if self.n else _NAN

    @cached_property
    def shift(self) -> float:
        """Hodges-Lehmann estimate of the paired differences."""
        return hodges_lehmann(self.paired)

    @property
    def shown(self) -> bool:
        """Whether a difference of the models is shown after correction: the dagger."""
        return bool(self.p_adjusted < ALPHA)

    @property
    def non_inferior(self) -> bool:
        """Whether the reference is shown to be worse by less than the margin at most (one-sided)."""
        if self.scope != "models" or not self.margin or not self.learned:
            return False
        return self.equivalence_low > -self.margin if self.higher else self.equivalence_high < self.margin

    @property
    def verdict(self) -> Verdict:
        """The interval against zero and against the margin; no verdict about models where only trainings were compared."""
        if not self.learned:
            return "not learned"
        if self.scope != "models":
            return "not compared"
        limits = (self.low, self.high, self.equivalence_low, self.equivalence_high)
        return interval_verdict(*limits, self.margin, higher=self.higher)


def interval_verdict(
    low: float, high: float, equivalence_low: float, equivalence_high: float, margin: float, *, higher: bool = True
) -> Verdict:
    """An interval of a difference against zero and against the margin (0: none), and that of the two one-sided tests.

    >>> interval_verdict(-0.2, 0.3, -0.1, 0.2, 0.5), interval_verdict(0.6, 1.0, 0.7, 0.9, 0.5, higher=False)
    ('equivalent', 'inferior')
    """
    if not higher:
        low, high, equivalence_low, equivalence_high = -high, -low, -equivalence_high, -equivalence_low
    if margin and low > margin:
        return "superior"
    if margin and high < -margin:
        return "inferior"
    if margin and -margin < equivalence_low and equivalence_high < margin:
        return "equivalent"
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


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


def compare_measure(measured: Measured, reference: str, *, not_learned: Collection[str] = ()) -> dict[str, Comparison]:
    """Compare in one measure that is a family of its own; keys are the other arms."""
    found = compare_measures([measured], reference, not_learned=not_learned)
    return {other: comparison for (_, other), comparison in found.items()}


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
    complete = {
        key: {arm: _complete(table) for arm, table in m.values.items() if table.size} for key, m in used.items()
    }
    spreads = {
        key: {arm: arm_spread(values.to_numpy()) for arm, values in arms.items()} for key, arms in complete.items()
    }
    moderated = moderated_spreads(spreads) if spreads else {}
    found = {
        (m.key, reference, other): _pair(m, reference, other, complete[m.key], moderated[m.key], not_learned)
        for m, reference, other in pairs
    }
    keys = [(m.key, reference, other) for m, reference, other in pairs]
    return {
        **_corrected(found, keys[: len(primary)], "bonferroni"),
        **_corrected(found, keys[len(primary) :], "benjamini-hochberg"),
    }


def moderated_spreads(
    spreads: Mapping[str, Mapping[str, ArmSpread]],
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Per measure and arm: moderated variance between trainings, its degrees of freedom, and the mean square of the rest.

    One prior weight holds for all measures of the table, the pooled variance is each measure's own.
    """
    keys = list(spreads)
    arms = list(dict.fromkeys(arm for by_arm in spreads.values() for arm in by_arm))
    nothing = ArmSpread(_NAN, _NAN, 0, 0)
    table = [[spreads[key].get(arm, nothing) for key in keys] for arm in arms]
    variances = np.array([[spread.variance for spread in row] for row in table]).reshape(len(arms), len(keys))
    degrees = np.array([max(max((s.trainings for s in row), default=0) - 1, 0) for row in table], dtype=np.float64)
    known: Moderated = moderate(variances, degrees)
    rests = np.array([[spread.rest for spread in row] for row in table]).reshape(len(arms), len(keys))
    # The rest is mixed with the same weights as the variances, so that what is taken out is what was put in.
    rest = moderate_with(rests, degrees, known.prior_degrees)
    return {
        key: {
            arm: (float(known.variance[a, k]), float(known.degrees[a]), float(rest[a, k])) for a, arm in enumerate(arms)
        }
        for k, key in enumerate(keys)
    }


def moderate_with(values: Floats, degrees: Floats, prior_degrees: float) -> Floats:
    """Draw ``values`` [arms, columns] towards their weighted mean with a given weight of the prior; NaN are left out."""
    weights = np.where(np.isfinite(values), degrees[:, None], 0.0)
    filled = np.where(weights > 0, values, 0.0)
    total = weights.sum(axis=0)
    prior = np.divide((weights * filled).sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
    mixed: Floats = (prior_degrees * prior + weights * filled) / (prior_degrees + weights)
    return mixed


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    return table.dropna(axis=0, how="any").astype(np.float64)


def _pair(
    measured: Measured,
    reference: str,
    other: str,
    complete: Mapping[str, pd.DataFrame],
    moderated: Mapping[str, tuple[float, float, float]],
    not_learned: Collection[str],
) -> Comparison:
    """One comparison before its family is known."""
    first, second = complete[reference], complete[other]
    shared = first.index.intersection(second.index)
    a, b = first.loc[shared].to_numpy(), second.loc[shared].to_numpy()
    n, trainings = len(shared), (a.shape[1], b.shape[1])
    scope: Scope = "none" if not n else "models" if n > 1 and min(trainings) >= SMALLEST_TRAININGS else "trainings"
    parts = [moderated[arm] for arm in (reference, other)]
    if scope == "models":
        estimate = difference(a, b, (parts[0][0], parts[1][0]), (parts[0][1], parts[1][1]), (parts[0][2], parts[1][2]))
    else:
        estimate = given_trainings(a, b)
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
    raw = [found[key].estimate.p if _tested(found[key]) else _NAN for key in family]
    known = correct(raw, correction)
    return {
        key: _finished(found[key], p, float(adjusted), known)
        for key, p, adjusted in zip(family, raw, known.adjusted, strict=True)
    }


def _tested(one: Comparison) -> bool:
    return one.scope == "models" and one.learned and one.n >= SMALLEST_SAMPLE


def _finished(one: Comparison, p: float, adjusted: float, family: Family) -> Comparison:
    nothing = (_NAN, _NAN)
    # Outside of the family there is nothing to correct: these trainings are described with a plain 95 % interval.
    alpha = family.level if _tested(one) else ALPHA
    interval = one.estimate.interval(1 - alpha) if one.n >= SMALLEST_SAMPLE else nothing
    models = one.scope == "models" and one.learned and one.n >= SMALLEST_SAMPLE
    equivalence = one.estimate.interval(1 - 2 * alpha) if models else nothing
    better, same, worse = one.estimate.probabilities(one.margin) if models else (_NAN, _NAN, _NAN)
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
        detectable=one.estimate.detectable(alpha) if one.n >= SMALLEST_SAMPLE else _NAN,
    )
