"""Variance between trainings, moderated over the arms of a table.

Three trainings give two degrees of freedom: three values that agree by chance make an interval of no width. Every arm's
variance is therefore drawn towards the pooled one, as G. K. Smyth does for genes ("Linear models and empirical Bayes methods
for assessing differential expression", Stat. Appl. Genet. Mol. Biol. 3, 2004, section 6.2), with two departures that the
simulation asks for (``benchmarks/crossed_simulation.py``): the prior variance is the arithmetic mean, which a few tiny
variances cannot pull down, and the prior never weighs more than ``PRIOR_LIMIT`` degrees of freedom, because five arms cannot
show that they spread alike, and plain pooling covers 85 % for the one arm that does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from harness.statistics.bootstrap import Floats

PRIOR_LIMIT = 3.0
"""Most degrees of freedom that the other arms may add: chosen by simulation between coverage of a noisy arm and power."""
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

    >>> found = moderate([[1.0], [9.0], [2.0]], [2, 2, 2])
    >>> found.prior_variance.tolist(), found.degrees.tolist()
    ([4.0], [5.0, 5.0, 5.0])
    >>> found.variance.round(2).ravel().tolist()
    [2.8, 6.0, 3.2]
    """
    sample, weight = np.asarray(variances, dtype=np.float64), np.asarray(degrees, dtype=np.float64)
    usable = np.isfinite(sample) & (weight[:, None] > 0)
    weights = np.where(usable, weight[:, None], 0.0)
    values = np.where(usable, sample, 0.0)
    total = weights.sum(axis=0)
    prior = np.divide((weights * values).sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
    prior_degrees = min(_prior_degrees(values, weights), PRIOR_LIMIT)
    variance = (prior_degrees * prior + weights * values) / (prior_degrees + weights)
    # The pooled variance is itself an estimate: no arm may know more than all trainings together.
    known = np.minimum(prior_degrees + weight, max(float(weight.sum()), 0.0))
    return Moderated(variance, known, prior_degrees, prior)


def _prior_degrees(values: Floats, weights: Floats) -> float:
    """Smyth's moment estimate of d0 from the spread of log variances, averaged over columns; infinite without excess."""
    excess, count = 0.0, 0
    for column, weight in zip(values.T, weights.T, strict=True):
        usable = weight > 0
        if usable.sum() < 2:
            continue
        half = weight[usable] / 2
        floor = _FLOOR * float(np.median(column[usable]))
        if floor <= 0:  # most trainings agree to the last digit: the spread of logarithms means nothing
            continue
        logs = np.log(np.maximum(column[usable], floor)) - special.digamma(half) + np.log(half)
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
