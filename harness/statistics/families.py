"""Families of comparisons: which level their intervals have, so that interval, corrected p and dagger say the same.

Two families stand in a table. The *primary* one is the primary endpoint (LV Dice unless a suite says otherwise) against every
baseline; it is corrected with Bonferroni's inequality, whose intervals hold all true differences at once with 95 %. The
*secondary* one is every other column against every baseline; it is corrected as a whole with Benjamini and Hochberg (1995),
whose matching intervals have the level 1 - R q / m with R the number of differences shown (Benjamini and Yekutieli, JASA 100,
2005): of the intervals of what is shown at most 5 % miss on average.

Both corrections cut at one level for the whole family: p lies below it exactly where the interval at that level leaves zero
out. Holm's step-down procedure has no such intervals for what it rejects in a later step (Strassburger and Bretz, Stat. Med. 27,
2008: only the sign), and gatekeeping would leave intervals without zero behind a closed gate. What this costs in power, and
what share of tables carries any false dagger, is in ``docs/statistics.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from harness.statistics.bootstrap import Floats

ALPHA = 0.05
Correction = Literal["bonferroni", "benjamini-hochberg"]


@dataclass(frozen=True, slots=True)
class Family:
    """One corrected family.

    Attributes:
        adjusted: corrected p values [m]; NaN where not tested.
        level: two-sided significance level of every single comparison: p < level where adjusted < alpha.
        tests: how many comparisons were tested.
        correction: by which method.
    """

    adjusted: Floats
    level: float
    tests: int
    correction: Correction

    @property
    def interval_level(self) -> float:
        """Confidence level of every interval of the family."""
        return 1 - self.level


def correct(p_values: ArrayLike, correction: Correction = "bonferroni", alpha: float = ALPHA) -> Family:
    """Correct the p values [m] of one family; NaN entries are not tested and do not count.

    >>> correct([0.01, 0.04, float("nan")]).adjusted.tolist()
    [0.02, 0.08, nan]
    >>> correct([0.01, 0.04, 0.5], "benjamini-hochberg").level  # one of three is shown
    0.016666666666666666
    """
    raw = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    tested = np.isfinite(raw)
    count = int(tested.sum())
    if not count:
        return Family(adjusted, alpha, 0, correction)
    if correction == "bonferroni":
        # No independence is asked for: columns of one table are measured on the same masks.
        adjusted[tested] = np.minimum(raw[tested] * count, 1.0)
        return Family(adjusted, alpha / count, count, correction)
    # Benjamini and Hochberg hold under positive dependence (Benjamini and Yekutieli, Ann. Stat. 29, 2001).
    adjusted[tested] = stats.false_discovery_control(raw[tested])
    shown = int((adjusted[tested] < alpha).sum())
    # Without any claim the first step of the procedure is what was not passed.
    return Family(adjusted, alpha * max(shown, 1) / count, count, correction)
