"""Variances of a table, moderated over its arms and never below what all of them together say.

Three trainings give two degrees of freedom: three values that agree by chance make an interval of no width. Every arm's
variance is therefore drawn towards the pooled one, as G. K. Smyth does for genes ("Linear models and empirical Bayes methods
for assessing differential expression", Stat. Appl. Genet. Mol. Biol. 3, 2004, section 6.2), with three departures that the
simulation asks for (``benchmarks/crossed_simulation.py``):

- the prior variance is the arithmetic mean, which a few tiny variances cannot pull down;
- the prior never weighs more than ``PRIOR_LIMIT`` degrees of freedom, because five arms cannot show that they spread alike, and
  plain pooling covers 85 % for the one arm that does not;
- no arm's variance is taken below the pooled one, which has the degrees of freedom of all trainings: intervals are narrow where a
  variance is underestimated, and the narrow ones are those that say "equivalent" and "better".

The variance of the patients' differences has degrees of freedom enough of its own; it too is never taken below its moderated
value, with the full weight that Smyth's estimate gives to the others (``floored``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from harness.statistics.bootstrap import Floats
from harness.statistics.crossed import ArmSpread

PRIOR_LIMIT = 2.0
"""Most degrees of freedom that the other arms add to an arm above the pooled variance: chosen by simulation between coverage of a
noisy arm and of the narrow intervals (more with less) and power."""
_CERTAIN = 1e6
"""Degrees of freedom that stand for infinitely many, where variances spread no more than chance alone lets them."""
_FLOOR = 1e-5
"""Share of the median variance below which a variance is taken for that share, as limma does: its logarithm is needed."""


@dataclass(frozen=True, slots=True)
class Moderated:
    """Variances after moderation.

    Attributes:
        variance: [arms, columns], NaN where no arm of the column has two trainings.
        degrees: [arms], degrees of freedom of each arm's variance.
        prior_degrees: weight of the prior, the same for every column.
        prior_variance: [columns], pooled variance of each column.
    """

    variance: Floats
    degrees: Floats
    prior_degrees: float
    prior_variance: Floats


def moderate(variances: ArrayLike, degrees: ArrayLike) -> Moderated:
    """Draw the variances of arms towards their pooled value.

    Args:
        variances: sample variances [arms, columns] of the trainings' means; a column has a unit of its own. NaN: not known.
        degrees: degrees of freedom [arms], trainings minus one; an arm with 0 gets the pooled variance alone.

    >>> found = moderate([[1.0], [10.0], [1.0]], [2, 2, 2])
    >>> found.prior_variance.tolist(), found.degrees.tolist()
    ([4.0], [4.0, 4.0, 4.0])
    >>> found.variance.ravel().tolist()
    [2.5, 7.0, 2.5]
    """
    sample, weight = np.asarray(variances, dtype=np.float64), np.asarray(degrees, dtype=np.float64)
    prior_degrees = min(_prior_degrees(sample, weight), PRIOR_LIMIT)
    variance, prior = mixed(sample, weight, prior_degrees)
    # The pooled variance is itself an estimate: no arm may know more than all trainings together.
    return Moderated(variance, np.minimum(prior_degrees + weight, weight.sum()), prior_degrees, prior)


def mixed(values: Floats, weight: Floats, prior_degrees: float) -> tuple[Floats, Floats]:
    """Values [arms, columns] drawn towards their weighted mean [columns], and that mean; NaN values have no weight."""
    weights = np.where(np.isfinite(values), weight[:, None], 0.0)
    weighted = np.nan_to_num(values) * weights
    # Weighted with degrees of freedom: five trainings say more of the spread than three.
    total = weights.sum(axis=0)
    prior = np.divide(weighted.sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
    return (prior_degrees * prior + weighted) / (prior_degrees + weights), prior


def floored(variances: ArrayLike, degrees: ArrayLike) -> Floats:
    """Variances [k] of like quantities, each at least its moderated value; NaN where it is not known.

    >>> floored([1.0, 1.2, 0.8], [24, 24, 24]).round(3).tolist()  # no more spread than by chance: the pooled variance
    [1.0, 1.2, 1.0]
    >>> floored([1.0, 1.0, 100.0], [24, 24, 24]).round(1).tolist()
    [2.1, 2.1, 100.0]
    """
    sample, weight = np.asarray(variances, dtype=np.float64), np.asarray(degrees, dtype=np.float64)
    if not len(sample):
        return sample
    moderated, _ = mixed(sample[:, None], weight, min(_prior_degrees(sample[:, None], weight), _CERTAIN))
    return np.where(np.isfinite(sample), np.maximum(sample, moderated[:, 0]), np.nan)


def moderated_spreads(
    spreads: Mapping[str, Mapping[str, ArmSpread]],
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Per measure and arm: moderated variance of the trainings' means, its degrees of freedom, and what of it is patients' noise.

    The noise is the mean square of patient x training over the patients that the trainings' means were taken of: an arm with more
    patients than a comparison uses has less of it, and no more may be taken out than was put in.

    One prior weight holds for all measures of the table, the pooled variance is each measure's own. An arm whose trainings seem
    to differ less than those of all arms together has their variance, their noise and their degrees of freedom.
    """
    keys = list(spreads)
    arms = list(dict.fromkeys(arm for by_arm in spreads.values() for arm in by_arm))
    nothing = ArmSpread(float("nan"), float("nan"), 0, 0)
    table = [[spreads[key].get(arm, nothing) for key in keys] for arm in arms]
    variances = np.array([[spread.variance for spread in row] for row in table]).reshape(len(arms), len(keys))
    degrees = np.array([max(max((s.trainings for s in row), default=0) - 1, 0) for row in table], dtype=np.float64)
    known = moderate(variances, degrees)
    noises = np.array([[spread.rest / max(spread.patients, 1) for spread in row] for row in table])
    # Mixed with the same weights as the variances, so that what is taken out is what was put in.
    noise, pooled_noise = mixed(noises.reshape(len(arms), len(keys)), degrees, known.prior_degrees)
    low = known.variance - noise < known.prior_variance - pooled_noise
    found = np.stack(
        [
            np.where(low, known.prior_variance, known.variance),
            np.where(low, degrees.sum(), known.degrees[:, None]),
            np.where(low, pooled_noise, noise),
        ]
    )
    return {
        key: {arm: (float(found[0, a, k]), float(found[1, a, k]), float(found[2, a, k])) for a, arm in enumerate(arms)}
        for k, key in enumerate(keys)
    }


def _prior_degrees(values: Floats, weight: Floats) -> float:
    """Smyth's moment estimate of d0 from the spread of log variances, averaged over columns; infinite without excess."""
    excess, count = 0.0, 0
    for column in values.T:
        usable = np.isfinite(column) & (weight > 0)
        if usable.sum() < 2:
            continue
        # E log s2 = log sigma2 + digamma(d/2) - log(d/2), var = trigamma(d/2) (Smyth 2004, section 6.2).
        half = weight[usable] / 2
        floor = _FLOOR * float(np.median(column[usable]))
        if floor <= 0:  # most trainings agree to the last digit: the spread of logarithms means nothing
            continue
        logs = np.log(np.maximum(column[usable], floor)) - special.digamma(half) + np.log(half)
        # What of the spread of log variances is more than chance: trigamma(d0/2) in expectation.
        excess += float(np.var(logs, ddof=1) - np.mean(special.polygamma(1, half)))
        count += 1
    if not count or excess <= 0:
        return float("inf")
    return 2 * trigamma_inverse(excess / count)


def trigamma_inverse(value: float) -> float:
    """The x with trigamma(x) = ``value`` > 0 by Newton's method (Smyth 2004, appendix).

    >>> round(trigamma_inverse(float(special.polygamma(1, 2.5))), 9)
    2.5
    """
    # trigamma(x) is 1/x**2 near 0 and 1/x far out, where Newton's method starts too far off.
    if value > 1e7:
        return 1 / np.sqrt(value)
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, x))
        x += step
        if -step / x < 1e-10:
            break
    return float(x)
