"""Does a difference depend on who the patients are? Differences per subgroup and the test of their interaction.

A difference that is shown in one group and not in another is no evidence that the groups differ (D. G. Altman, J. M. Bland,
"Interaction revisited", BMJ 326, 2003): the interaction itself is tested. Groups may spread differently, hence the test of
R. A. Alexander and D. M. Govern (J. Educ. Stat. 19, 1994) and not an analysis of variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from harness.statistics.bootstrap import SMALLEST_SAMPLE

EF_CLASSES = ((-np.inf, 40.0, "EF below 40 %"), (40.0, 50.0, "EF 40 to 50 %"), (50.0, np.inf, "EF 50 % and more"))
"""Reduced, mildly reduced and preserved ejection fraction."""


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Mean paired difference in one group with Student's interval over its patients, for these trainings.

    ``small`` warns of fewer than ``SMALLEST_SAMPLE`` patients: then there is no interval.
    """

    name: str
    n: int
    difference: float
    low: float
    high: float

    @property
    def small(self) -> bool:
        """Whether the group is too small to be read."""
        return self.n < SMALLEST_SAMPLE


@dataclass(frozen=True, slots=True)
class Subgroups:
    """All groups, and the p that they share one difference; NaN where fewer than two groups have ten patients.

    ``corrected`` is the confidence of every interval after Bonferroni over the groups.
    """

    groups: tuple[Subgroup, ...]
    p: float
    corrected: float


def subgroups(differences: pd.Series, groups: pd.Series, level: float = 0.95) -> Subgroups:
    """Differences per patient (index) split by ``groups`` (index: patient; NaN is left out), the largest group first.

    >>> values = pd.Series(np.r_[np.zeros(12) + [0.1, -0.1] * 6, np.ones(12) + [0.1, -0.1] * 6])
    >>> found = subgroups(values, pd.Series(["good"] * 12 + ["poor"] * 12))
    >>> [round(group.difference, 1) for group in found.groups], found.p < 0.001
    ([0.0, 1.0], True)
    """
    table = pd.concat([differences.rename("d"), groups.rename("g")], axis=1, join="inner").dropna()
    parts = {str(name): part["d"].to_numpy(np.float64) for name, part in table.groupby("g", sort=True)}
    large = [values for values in parts.values() if len(values) >= SMALLEST_SAMPLE]
    # Bonferroni over the groups: of eight intervals of 95 % one in three tables leaves zero out by chance.
    confidence = 1 - (1 - level) / max(len(large), 1)
    # The largest first, so that what is read first is what is known best.
    ordered = sorted(parts.items(), key=lambda item: -len(item[1]))
    p = float("nan")
    if len(large) > 1 and all(np.ptp(values) > 0 for values in large):
        p = float(stats.alexandergovern(*large).pvalue)
    return Subgroups(tuple(_group(name, values, confidence) for name, values in ordered), p, confidence)


def within_patients(differences: pd.DataFrame, level: float = 0.95) -> Subgroups:
    """Differences [patients, groups] where every patient is in every group (views): the interaction is paired.

    Patients without a value in a group are left out. The interaction of two groups is Student's paired test, of more it is not
    tested (p is NaN).

    >>> found = within_patients(pd.DataFrame({"2CH": np.arange(12.0), "4CH": np.arange(12.0) + [1.0, 1.2] * 6}))
    >>> [group.name for group in found.groups], found.p < 0.001, round(found.corrected, 3)
    (['2CH', '4CH'], True, 0.975)
    """
    table = differences.dropna()
    n, count = table.shape
    confidence = 1 - (1 - level) / max(count if n >= SMALLEST_SAMPLE else 1, 1)
    p = float("nan")
    if count == 2 and n >= SMALLEST_SAMPLE:
        between = table.iloc[:, 0] - table.iloc[:, 1]
        # Without any spread Student's statistic does not exist: equal throughout is no interaction.
        p = float(stats.ttest_1samp(between, 0).pvalue) if np.ptp(between) > 0 else float(not between.any())
    groups = tuple(_group(str(name), table[name].to_numpy(np.float64), confidence) for name in table) if n else ()
    return Subgroups(groups, p, confidence)


def ef_class(ef_percent: pd.Series) -> pd.Series:
    """Name of the EF class per patient; NaN stays NaN.

    >>> ef_class(pd.Series([35.0, 45.0, 60.0])).tolist()
    ['EF below 40 %', 'EF 40 to 50 %', 'EF 50 % and more']
    """
    edges = [EF_CLASSES[0][0], *(high for _, high, _ in EF_CLASSES)]
    return pd.Series(pd.cut(ef_percent, edges, right=False, labels=[name for _, _, name in EF_CLASSES]).astype(object))


def _group(name: str, values: np.ndarray, confidence: float) -> Subgroup:
    n, mean = len(values), float(values.mean())
    if n < SMALLEST_SAMPLE:
        return Subgroup(name, n, mean, float("nan"), float("nan"))
    reach = float(stats.t.isf((1 - confidence) / 2, n - 1)) * float(values.std(ddof=1)) / np.sqrt(n)
    return Subgroup(name, n, mean, float(mean - reach), float(mean + reach))
