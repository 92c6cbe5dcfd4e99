"""One comparison of two models, and what may be said of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from harness.statistics.bootstrap import Floats
from harness.statistics.crossed import Estimate
from harness.statistics.exact import SignFlip, sign_flip
from harness.statistics.families import ALPHA, Correction
from harness.statistics.robust import hodges_lehmann

Scope = Literal["models", "trainings", "none"]
Verdict = Literal["superior", "inferior", "better", "worse", "equivalent", "undecided", "not compared", "not learned"]
_NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``reference`` against ``other`` in one measure; differences are reference minus other, in the unit of the measure.

    Attributes:
        scope: ``models`` where both have three trainings or more, ``trainings`` where not: then interval and ``flip`` are for
            these very trainings, nothing is tested or claimed; ``none`` without a shared patient.
        n: patients with a value in every training of both. ``trainings``: number per model.
        difference, low, high: estimate and interval at ``level``, which matches the family's correction; infinite where so few
            patients cannot show anything at that level.
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

    def turned(self) -> Comparison:
        """The same seen from the other model: other minus reference."""

        def swapped(values: tuple[float, ...]) -> tuple[float, ...]:
            # The patients' value comes first, then those of the trainings of either model.
            return (*values[:1], *values[:0:-1])

        estimate = Estimate(-self.estimate.point, swapped(self.estimate.parts), swapped(self.estimate.degrees))
        return replace(
            self,
            reference=self.other,
            other=self.reference,
            trainings=(self.trainings[1], self.trainings[0]),
            estimate=estimate,
            worst_decile=-self.worst_decile,
            paired=-self.paired,
            low=-self.high,
            high=-self.low,
            equivalence_low=-self.equivalence_high,
            equivalence_high=-self.equivalence_low,
            p_better=self.p_worse,
            p_worse=self.p_better,
            spread=(self.spread[1], self.spread[0]),
        )

    @property
    def shown(self) -> bool:
        """Whether a difference of the models is shown after correction: the dagger."""
        return bool(self.p_adjusted < ALPHA)

    @property
    def non_inferior(self) -> bool:
        """Whether the reference is shown to be worse by less than the margin at most (one-sided)."""
        if self.scope != "models" or not self.margin or not self.learned:
            return False
        # One-sided at the family's level: the lower end of the interval of the two one-sided tests.
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
        # Turned so that larger is better; the rules below are then written once.
        low, high, equivalence_low, equivalence_high = -high, -low, -equivalence_high, -equivalence_low
    # Beyond the margin before beyond zero: the stronger claim is the one that is made.
    if margin and low > margin:
        return "superior"
    if margin and high < -margin:
        return "inferior"
    if margin and -margin < equivalence_low and equivalence_high < margin:
        return "equivalent"
    return "better" if low > 0 else "worse" if high < 0 else "undecided"
