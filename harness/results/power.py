"""How many patients and trainings a difference needs, from the finished runs of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import BenchError
from harness.results.comparisons import ALPHA, SMALLEST_TRAININGS
from harness.results.measures import DICE, Measure
from harness.results.result_set import ResultSet
from harness.statistics.power import Components, components, detectable, patients_needed

SIZES = (0.25, 0.5, 1.0, 2.0)
"""Differences to plan for where nobody names one, in Dice points."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """What designs can see, for the median pair of the reference and a baseline.

    Attributes:
        measure: whose differences; unit as it is shown.
        margin: smallest difference that matters; 0 where none is stated.
        variances: variance components, the median over baselines; those of trainings taken from elsewhere where ``assumed``.
        sizes: differences, ``trainings``: numbers per model.
        patients: needed per size (row) and number of trainings (column), NaN where out of reach or not known.
        present: smallest difference that the present design shows; NaN below three trainings, where models are not compared.
        alpha: two-sided level of one comparison, after Bonferroni over the baselines.
    """

    measure: Measure
    margin: float
    variances: Components
    assumed: bool
    sizes: tuple[float, ...]
    trainings: tuple[int, ...]
    patients: np.ndarray
    present: float
    present_design: tuple[int, int]
    alpha: float


def power_of(
    results: ResultSet,
    *,
    measure: Measure = DICE,
    sizes: Sequence[float] = SIZES,
    trainings: Sequence[int] = (3, 5, 10),
    training_sd: float | None = None,
    power: float = 0.8,
) -> Power:
    """Plan from finished rows; ``training_sd`` is the spread of one model's trainings where the rows cannot say it.

    Raises:
        BenchError: the reference or a baseline is missing, or no spread of trainings is known and none was given.
    """
    values = {arm.label: arm.values(measure, results.main) for arm in results.finished}
    others = [arm.label for arm in results.others]
    if not others:
        raise BenchError(f"{results.name} has no finished baseline beside {results.reference}; finish one first.")
    # The median pair: the nearest baseline alone would plan for the hardest case, the furthest for the easiest.
    found = [components(values[results.reference], values[label]) for label in others]
    arms = len(others) + 1
    between = float(np.median([one.trainings for one in found]))
    assumed = training_sd is not None
    if training_sd is not None:
        # Both models of a pair vary between trainings.
        between = 2 * training_sd**2
    if not np.isfinite(between):
        raise BenchError(
            f"{results.name} has one training of a model, which says nothing about the spread between trainings; give it "
            "with --training-sd (in Dice points), or train more seeds."
        )
    variances = Components(
        float(np.median([one.patients for one in found])), between, float(np.median([one.rest for one in found]))
    )
    # As the report will correct: a plan for one test would promise too much.
    alpha = ALPHA / len(others)
    table = [
        [patients_needed(variances, size, count, alpha=alpha, power=power, arms=arms) or np.nan for count in trainings]
        for size in sizes
    ]
    n = min(len(values[label].dropna()) for label in (results.reference, *others))
    s = min(len(arm.finished) for arm in results.finished)
    return Power(
        measure=measure,
        margin=results.criteria.margin(measure.name),
        variances=variances,
        assumed=assumed,
        sizes=tuple(sizes),
        trainings=tuple(trainings),
        patients=np.array(table, dtype=float),
        present=detectable(variances, n, s, alpha=alpha, power=power, arms=arms)
        if s >= SMALLEST_TRAININGS
        else float("nan"),
        present_design=(n, s),
        alpha=alpha,
    )
