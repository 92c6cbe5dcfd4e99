"""One difference between two models, with patients and trainings as crossed random effects.

The estimand everywhere is the mean over patients of the mean over trainings, and its paired difference. Its variance has
three parts: that of the patients' paired differences (which holds patient x model and what is left per training), and the
variance between the trainings of either model, moderated over all arms of the table (``statistics.moderation``).

The quantile is the mean of Student's quantiles of the parts, weighted with the parts (W. G. Cochran, Biometrics 20, 1964).
Satterthwaite's degrees of freedom were tried beside it: they call 6 % of columns different where one arm is noisy, and
cover 85 % among the narrowest quarter of intervals, where Cochran's cover 90 % (``benchmarks/crossed_simulation.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import optimize, special
from scipy.stats import qmc

from harness.statistics.bootstrap import Floats

POSTERIOR_DRAWS = 4096
"""Points of the Sobol sequence for the posterior: error of a probability below 0.002."""
_SMALLEST_LOG_P = -30.0


@dataclass(frozen=True, slots=True)
class ArmSpread:
    """What the trainings of one arm say about training in general, in the unit of the values squared.

    Attributes:
        variance: sample variance of the trainings' means over patients; NaN for one training.
        rest: mean square of patient x training, NaN for one training or patient.
        trainings, patients: how many there were.
    """

    variance: float
    rest: float
    trainings: int
    patients: int


def arm_spread(values: Floats) -> ArmSpread:
    """Spread of the trainings of one arm; ``values`` [patients, trainings] without NaN.

    >>> arm_spread(np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]])).variance
    1.0
    """
    n, s = values.shape
    if s < 2 or n < 1:
        return ArmSpread(float("nan"), float("nan"), s, n)
    columns = values.mean(axis=0)
    rest = float("nan")
    if n > 1:
        # Two-way layout without repetition: what neither patient nor training explains (Scheffe 1959, chapter 4).
        inner = values - values.mean(axis=1)[:, None] - columns[None, :] + values.mean()
        rest = float((inner**2).sum() / ((n - 1) * (s - 1)))
    return ArmSpread(float(columns.var(ddof=1)), rest, s, n)


@dataclass(frozen=True)
class Estimate:
    """A difference of means and the parts of its variance.

    Attributes:
        point: paired difference of the means, in the unit of the values.
        parts: variances of the point that come from patients, trainings of the first and of the second model; >= 0.
        degrees: degrees of freedom of each part.
    """

    point: float
    parts: tuple[float, ...]
    degrees: tuple[float, ...]

    @cached_property
    def error(self) -> float:
        """Standard error of the point."""
        return float(np.sqrt(sum(self.parts)))

    def quantile(self, upper: float) -> float:
        """The upper quantile in standard errors: Cochran's weighted mean of Student's quantiles; ``upper`` in (0, 0.5]."""
        total = sum(self.parts)
        if total == 0:
            return 0.0
        # Not scipy.stats.t, which checks and broadcasts at every call: this runs for every cell of a table.
        tails = [-float(special.stdtrit(df, upper)) for df in self.degrees]
        return sum(part * tail for part, tail in zip(self.parts, tails, strict=True)) / total

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided interval at ``level``; NaN where the error is not known."""
        reach = self.quantile((1 - level) / 2) * self.error if np.isfinite(self.error) else float("nan")
        return self.point - reach, self.point + reach

    @cached_property
    def p(self) -> float:
        """Two-sided p of a difference of zero, the inverse of ``interval``; 1 or 0 where there is no spread at all."""
        if not np.isfinite(self.error):
            return float("nan")
        if self.error == 0:
            return 1.0 if self.point == 0 else 0.0
        return 2 * self.tail(0.0)

    def tail(self, value: float) -> float:
        """One-sided p that the truth lies on the far side of ``value`` from the point; at most 0.5.

        It is the inverse of ``quantile``; below 1e-30 it is 0.
        """
        if self.error == 0:
            return 0.5 if self.point == value else 0.0
        return _solve(self.quantile, abs(self.point - value) / self.error)

    def detectable(self, alpha: float, power: float = 0.8) -> float:
        """Smallest true difference that a test at two-sided ``alpha`` shows with ``power``, at these variances."""
        # Type I and type II error in units of the same standard error (Cohen 1988, chapter 2).
        return (self.quantile(alpha / 2) + self.quantile(1 - power)) * self.error

    def probabilities(self, margin: float) -> tuple[float, float, float]:
        """Posterior probabilities that the truth lies above +margin, within, and below -margin; NaN without an error.

        Normal model of patients and trainings, flat prior for the difference and the patients' variance, the moderated
        prior for the trainings' variances: given the data the three parts are independent Student's t (Box and Tiao 1973,
        section 2.5), added over a fixed Sobol sequence.
        """
        if not np.isfinite(self.error):
            return float("nan"), float("nan"), float("nan")
        draws = np.full(POSTERIOR_DRAWS, self.point)
        for points, part, df in zip(_sobol(len(self.parts)), self.parts, self.degrees, strict=True):
            if part > 0:
                # Quasi-random points: the same table on every run.
                draws = draws + np.sqrt(part) * special.stdtrit(df, points)
        better, worse = float(np.mean(draws > margin)), float(np.mean(draws < -margin))
        return better, 1 - better - worse, worse


def difference(
    first: Floats,
    second: Floats,
    training: tuple[float, float],
    degrees: tuple[float, float],
    noise: tuple[float, float],
    spread: float | None = None,
) -> Estimate:
    """Estimate of mean(first) - mean(second) from values [n, trainings] of the same patients in the same order.

    Args:
        training: moderated variance between the trainings' means, per model.
        degrees: its degrees of freedom, per model.
        noise: what of ``training`` is patients' noise, per model; it is taken out, since the paired differences of the patients
            hold it already.
        spread: moderated variance of the patients' differences; by default that of these differences alone.
    """
    paired = first.mean(axis=1) - second.mean(axis=1)
    n = len(paired)
    point = float(paired.mean()) if n else float("nan")
    patients = (float(paired.var(ddof=1)) if spread is None else spread) / n if n > 1 else float("nan")
    parts = [
        # A negative estimate means that trainings differ by less than their patients' noise: then they add nothing.
        max(variance - own, 0.0) / values.shape[1]
        for variance, own, values in zip(training, noise, (first, second), strict=True)
    ]
    return Estimate(point, (patients, *parts), (max(n - 1.0, 1.0), *degrees))


def given_trainings(first: Floats, second: Floats) -> Estimate:
    """The same difference for these very trainings: patients alone are random. It says nothing about the models."""
    paired = first.mean(axis=1) - second.mean(axis=1)
    n = len(paired)
    patients = float(paired.var(ddof=1)) / n if n > 1 else float("nan")
    return Estimate(float(paired.mean()) if n else float("nan"), (patients,), (max(n - 1.0, 1.0),))


def _solve(quantile: Callable[[float], float], statistic: float) -> float:
    """The upper tail at which the quantile is ``statistic``; 0.5 at 0."""
    if statistic <= 0:
        return 0.5
    if quantile(10**_SMALLEST_LOG_P) <= statistic:
        return 0.0
    top = float(np.log10(0.5))
    # At 0.5 the quantile is zero, at the smallest p it lies beyond the statistic: the root is bracketed.
    return 10 ** float(optimize.brentq(lambda log_p: quantile(10**log_p) - statistic, _SMALLEST_LOG_P, top, xtol=1e-12))


@lru_cache(maxsize=8)
def _sobol(dimensions: int) -> Floats:
    """Points [dimensions, POSTERIOR_DRAWS] strictly inside (0, 1), the same at every call."""
    points = qmc.Sobol(d=dimensions, scramble=False).random(POSTERIOR_DRAWS)
    # The plain sequence starts at 0, where Student's quantile is infinite; half a cell moves it inside.
    return np.ascontiguousarray((points + 0.5 / POSTERIOR_DRAWS).T)
