"""What a design can see: how many patients and trainings a difference needs, from the spreads of finished rows.

The variance of a difference falls apart into patients (n of them) and trainings (s per model), see ``statistics.crossed``; more
patients never lower the part of the trainings. Figures are for a test at two-sided ``alpha`` with the library's own quantiles,
so that they agree with what a report's comparisons will show. These ask the sign-flip test of the patients as well: with fewer
than ten patients, or so few that no sign-flip p lies below ``alpha``, nothing is shown whatever the difference. Above that the
second test costs a few points of power (``benchmarks/crossed_simulation.py --power``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.statistics.bootstrap import SMALLEST_SAMPLE
from harness.statistics.crossed import Estimate, arm_spread
from harness.statistics.exact import smallest_p
from harness.statistics.families import ALPHA
from harness.statistics.moderation import PRIOR_LIMIT

MOST_PATIENTS = 100_000
"""A design that needs more is called out of reach."""


@dataclass(frozen=True, slots=True)
class Components:
    """Variances of one comparison in the unit of the measure squared.

    Attributes:
        patients: of the difference of two models between patients, apart from what varies between trainings.
        trainings: between trainings, both models together; NaN where it is not known.
        rest: patient x training, both models together; counted under ``patients`` where there is one training.
    """

    patients: float
    trainings: float
    rest: float


def components(first: pd.DataFrame, second: pd.DataFrame) -> Components:
    """Variance components of the difference of two models from values [patients, trainings].

    Patients with a missing value are left out. With one training on a side the spread between trainings is not known.
    """
    a, b = first.dropna(), second.dropna()
    shared = a.index.intersection(b.index)
    one, two = a.loc[shared].to_numpy(np.float64), b.loc[shared].to_numpy(np.float64)
    total = float((one.mean(axis=1) - two.mean(axis=1)).var(ddof=1)) if len(shared) > 1 else float("nan")
    spreads = [arm_spread(values) for values in (one, two)]
    if min(spread.trainings for spread in spreads) < 2:
        return Components(total, float("nan"), 0.0)
    rest = sum(spread.rest for spread in spreads)
    # Means over s trainings keep 1/s of what varies per patient and training; a design has another s, so it is taken
    # out here.
    inside = sum(spread.rest / spread.trainings for spread in spreads)
    between = sum(max(spread.variance - spread.rest / spread.patients, 0.0) for spread in spreads)
    return Components(max(total - inside, 0.0), between, rest)


def design_estimate(components: Components, patients: int, trainings: int, *, arms: int = 5) -> Estimate:
    """The estimate that a design of ``patients`` and ``trainings`` per model will have, around a difference of zero."""
    total = float(max(arms * (trainings - 1), 1))
    # As the moderation will give (``moderation.moderated_spreads``), so that a plan and the later report agree.
    degrees = min(PRIOR_LIMIT + trainings - 1, total)
    by_patient = (components.patients + components.rest / trainings) / patients
    # Where all arms spread alike half of them lie below the pooled variance and take it, with all degrees of freedom.
    half = components.trainings / trainings / 2
    return Estimate(0.0, (by_patient, half, half), (patients - 1.0, degrees, total))


def detectable(
    components: Components, patients: int, trainings: int, *, alpha: float = ALPHA, power: float = 0.8, arms: int = 5
) -> float:
    """Smallest true difference that a design shows with ``power``; NaN where the spread of trainings is not known.

    Infinite where so few patients show nothing at that level.

    >>> round(detectable(Components(4.0, 0.0, 0.0), 50, 3), 2)  # 2.86 standard errors of 2 / sqrt(50)
    0.81
    """
    if patients < SMALLEST_SAMPLE or smallest_p(patients) >= alpha:
        return float("inf") if np.isfinite(components.trainings) else float("nan")
    return design_estimate(components, patients, trainings, arms=arms).detectable(alpha, power)


def patients_needed(
    components: Components, size: float, trainings: int, *, alpha: float = ALPHA, power: float = 0.8, arms: int = 5
) -> int | None:
    """Fewest patients (at least ten) with which ``trainings`` per model show a difference of ``size``; None: out of reach.

    >>> patients_needed(Components(4.0, 0.0, 0.0), 1.0, 3)
    34
    """
    low, high = 2, MOST_PATIENTS
    # The comparison also fails for NaN: an unknown spread promises nothing.
    if not detectable(components, high, trainings, alpha=alpha, power=power, arms=arms) <= size:
        return None
    while high - low > 1:  # the detectable difference falls as patients are added
        middle = (low + high) // 2
        enough = detectable(components, middle, trainings, alpha=alpha, power=power, arms=arms) <= size
        low, high = (low, middle) if enough else (middle, high)
    return high


def power_table(
    components: Components,
    sizes: Sequence[float],
    trainings: Sequence[int] = (3, 5, 10),
    *,
    alpha: float = ALPHA,
    power: float = 0.8,
) -> pd.DataFrame:
    """Patients needed per difference (rows ``difference``) and number of trainings (columns); NaN where out of reach."""
    table = {
        count: [patients_needed(components, size, count, alpha=alpha, power=power) or np.nan for size in sizes]
        for count in trainings
    }
    return pd.DataFrame(table, index=pd.Index(sizes, name="difference"), dtype=float)
