"""Paired comparison of models on the same patients: signed-rank test, correction, effect size, practical margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from harness.statistics.bootstrap import SMALLEST_SAMPLE, Floats
from harness.statistics.seeds import difference

DICE_MARGIN = 0.005
"""Practical margin on the Dice scale 0..1: half a Dice point."""

Verdict = Literal["superior", "inferior", "equivalent", "undecided"]
SMALLEST_PAIRED_SAMPLE = 6
"""Fewer pairs cannot reach p < 0.05 in the two-sided signed-rank test: no test is made."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model ``reference`` against ``other`` on ``n`` shared patients; differences are reference minus other.

    Attributes:
        p, p_adjusted: two-sided signed-rank p before and after Holm's correction over the family; NaN when not tested.
        mean_difference: mean of the paired differences.
        shift, low, high: Hodges-Lehmann estimate of the difference and its 95 % interval; limits NaN below 10 patients.
        mean_low, mean_high: 95 % interval of ``mean_difference``: BCa over patients, with several seeds over patients x seeds.
        seed_sd: spread of the difference between single runs; NaN where both models have one seed.
        rank_biserial: matched-pairs rank-biserial correlation in [-1, 1].
        false_claim: probability that the model with the worse mean is in truth the better one.
        verdict: the difference against the practical margin, seen from ``reference``: that of the Hodges-Lehmann interval,
            with several seeds that of the mean's interval, which knows about them.
    """

    reference: str
    other: str
    n: int
    p: float
    p_adjusted: float
    mean_difference: float
    shift: float
    low: float
    high: float
    rank_biserial: float
    false_claim: float
    verdict: Verdict
    mean_low: float = float("nan")
    mean_high: float = float("nan")
    seed_sd: float = float("nan")

    def significant(self, alpha: float = 0.05) -> bool:
        """Whether the corrected p lies below ``alpha`` (an undefined p never does)."""
        return bool(self.p_adjusted < alpha)


def signed_rank_p(differences: ArrayLike) -> float:
    """Two-sided Wilcoxon signed-rank p of paired ``differences`` [n], zeros handled as Pratt (1959) proposed.

    scipy chooses the exact distribution for up to 50 pairs without ties or zeros, else the normal approximation.
    Fewer than ``SMALLEST_PAIRED_SAMPLE`` pairs give NaN, differences that are all zero give 1.
    """
    sample = np.asarray(differences, dtype=np.float64)
    if len(sample) < SMALLEST_PAIRED_SAMPLE:
        return float("nan")
    if not sample.any():
        return 1.0
    return float(stats.wilcoxon(sample, zero_method="pratt", alternative="two-sided").pvalue)


def holm(p_values: ArrayLike) -> Floats:
    """Holm-adjusted p values [m] of one declared family; NaN entries (not tested) stay NaN and do not count."""
    raw = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    tested = np.isfinite(raw)
    # Written out (S. Holm, Scand. J. Stat. 6, 1979): statsmodels' multipletests runs the garbage collector at every call,
    # a quarter of a second in a process that holds a report's tables; a test holds this to it.
    order = np.argsort(raw[tested], kind="stable")
    steps = raw[tested][order] * np.arange(len(order), 0, -1)
    stepped = np.empty(len(order))
    stepped[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    adjusted[tested] = stepped
    return adjusted


def rank_biserial(differences: ArrayLike) -> float:
    """Matched-pairs rank-biserial correlation (Kerby 2014): favourable minus unfavourable share of the rank sum.

    Zeros are ranked and then dropped, as in Pratt's test; all zeros give 0, no pairs NaN.
    """
    sample = np.asarray(differences, dtype=np.float64)
    if not len(sample):
        return float("nan")
    ranks = stats.rankdata(np.abs(sample))
    total = ranks[sample != 0].sum()
    return float((ranks[sample > 0].sum() - ranks[sample < 0].sum()) / total) if total else 0.0


def hodges_lehmann(differences: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Hodges-Lehmann estimate of the shift and its interval: median and order statistics of the Walsh averages.

    The interval inverts the exact signed-rank distribution (Hollander, Wolfe, Chicken 2014, section 3.3). Too few pairs for
    the level give NaN limits.
    """
    sample = np.asarray(differences, dtype=np.float64)
    n = len(sample)
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    rows, columns = np.triu_indices(n)
    walsh = np.sort((sample[rows] + sample[columns]) / 2)
    cut = signed_rank_quantile(n, (1 - level) / 2)
    limits = (float(walsh[cut - 1]), float(walsh[len(walsh) - cut])) if cut else (float("nan"), float("nan"))
    return float(np.median(walsh)), *limits


@lru_cache(maxsize=64)
def signed_rank_quantile(n: int, tail: float) -> int:
    """Largest c with P(W+ <= c - 1) <= ``tail`` for the null distribution of the signed-rank sum of ``n`` pairs; 0 if none.

    Exact up to 200 pairs (number of subsets of 1..n with a given sum), normal approximation above.
    """
    if n > 200:
        mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        return int(np.floor(mean + stats.norm.ppf(tail) * np.sqrt(variance)))
    probability = np.zeros(n * (n + 1) // 2 + 1)
    probability[0] = 1.0
    for rank in range(1, n + 1):
        shifted = np.zeros_like(probability)
        shifted[rank:] = probability[:-rank]
        probability = (probability + shifted) / 2
    return int(np.searchsorted(np.cumsum(probability), tail, side="right"))


def false_outperformance(better: ArrayLike, worse: ArrayLike) -> float:
    """Probability that the model that looks worse is in truth the better one, given the paired scores [n] of both.

    P = F_{n-1}(sqrt(n) (mean_B - mean_A) / sqrt(s_A^2 + s_B^2 - 2 s_A s_B r)) with A the better one and F the
    distribution of Student's t: the denominator is the standard deviation of the paired differences.
    Two equal columns give 0.5, fewer than two pairs NaN.
    """
    a, b = np.asarray(better, dtype=np.float64), np.asarray(worse, dtype=np.float64)
    n = len(a)
    if n < 2:
        return float("nan")
    spread = float(np.std(b - a, ddof=1))
    gap = float(np.mean(b) - np.mean(a))
    if spread == 0:
        return 0.5 if gap == 0 else float(gap > 0)
    return float(stats.t.cdf(np.sqrt(n) * gap / spread, df=n - 1))


def margin_verdict(low: float, high: float, margin: float) -> Verdict:
    """Place an interval of a difference (higher is better) against the practical ``margin``.

    Wholly above +margin: superior; wholly below -margin: inferior; wholly within: equivalent; else undecided.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return "undecided"
    if low > margin:
        return "superior"
    if high < -margin:
        return "inferior"
    return "equivalent" if -margin < low and high < margin else "undecided"


def compare(
    reference: str,
    others: Mapping[str, pd.Series | pd.DataFrame],
    scores: pd.Series | pd.DataFrame,
    *,
    margin: float = DICE_MARGIN,
    higher: bool = True,
) -> list[Comparison]:
    """Compare ``reference`` with every other model; the family of Holm's correction is exactly ``others``.

    Only patients with a value of both models in every seed count. Tests and Hodges-Lehmann use each patient's mean over seeds
    and so take the seeds as given; the interval of the mean difference redraws them too.

    Args:
        reference: name of the proposed model.
        others: per model one value per patient (index: patient), or one per patient and seed (columns).
        scores: the reference's values, likewise.
        margin: practical margin in the unit of the values.
        higher: whether larger values are better; else signs are turned for effect and verdict only.
    """
    pairs = {name: _paired(scores, values) for name, values in others.items()}
    raw = [signed_rank_p(a.mean(axis=1) - b.mean(axis=1)) for a, b in pairs.values()]
    sign = 1 if higher else -1
    return [
        _comparison(reference, name, sign * a, sign * b, sign, p, adjusted, margin)
        for (name, (a, b)), p, adjusted in zip(pairs.items(), raw, holm(raw), strict=True)
    ]


def _paired(a: pd.Series | pd.DataFrame, b: pd.Series | pd.DataFrame) -> tuple[Floats, Floats]:
    """Values [n, seeds] of both models on the patients that both have in full."""
    one, other = (x.to_frame() if isinstance(x, pd.Series) else x for x in (a, b))
    shared = one.dropna().index.intersection(other.dropna().index)
    return one.loc[shared].to_numpy(np.float64), other.loc[shared].to_numpy(np.float64)


def _comparison(
    reference: str, other: str, a: Floats, b: Floats, sign: int, p: float, adjusted: float, margin: float
) -> Comparison:
    first, second = a.mean(axis=1), b.mean(axis=1)
    paired = first - second
    shift, low, high = hodges_lehmann(paired)
    if len(paired) < SMALLEST_SAMPLE:
        low = high = float("nan")
    mean = difference(a, b)
    seeded = bool(np.isfinite(mean.seed_sd))
    judged = (mean.interval.low, mean.interval.high) if seeded else (low, high)
    claim = false_outperformance(first, second) if not mean.interval.point < 0 else false_outperformance(second, first)
    limits, mean_limits = (
        (ends if sign > 0 else (-ends[1], -ends[0])) for ends in ((low, high), (mean.interval.low, mean.interval.high))
    )
    return Comparison(
        reference=reference,
        other=other,
        n=len(paired),
        p=p,
        p_adjusted=float(adjusted),
        mean_difference=sign * mean.interval.point,
        shift=sign * shift,
        low=limits[0],
        high=limits[1],
        rank_biserial=rank_biserial(paired),
        false_claim=claim,
        verdict=margin_verdict(*judged, margin),
        mean_low=mean_limits[0],
        mean_high=mean_limits[1],
        seed_sd=mean.seed_sd,
    )
