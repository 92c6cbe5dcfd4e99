"""Does the statistics keep its promises? Coverage of the intervals at n = 50 patients and the family-wise error of the tests.

    python benchmarks/statistics_simulation.py --repeats 2000        (about three minutes on one core)

Every line is a simulation with known truth; the standard error of a share p over N repeats is sqrt(p (1 - p) / N).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.statistics.agreement import correlation
from harness.statistics.bootstrap import Interval, bootstrap_interval, mean_interval
from harness.statistics.paired import hodges_lehmann, holm, signed_rank_p
from harness.statistics.seeds import summarise

PATIENTS, RESAMPLES, SEEDS = 50, 2000, 3
Sampler = Callable[[np.random.Generator], NDArray[np.float64]]

SAMPLES: dict[str, tuple[Sampler, float]] = {
    "normal": (lambda g: g.normal(0.93, 0.03, PATIENTS), 0.93),
    "skewed like Dice (1 - exponential)": (lambda g: 1 - g.exponential(0.07, PATIENTS), 0.93),
    "one failure in twenty (mixture)": (
        lambda g: np.where(g.random(PATIENTS) < 0.05, g.uniform(0.3, 0.7, PATIENTS), g.normal(0.94, 0.02, PATIENTS)),
        0.05 * 0.5 + 0.95 * 0.94,
    ),
}


def mean_coverage(name: str, repeats: int) -> str:
    """Share of repeats in which BCa, percentile and Student's t interval hold the true mean."""
    sample, truth = SAMPLES[name]
    hits = np.zeros(3)
    for repeat in range(repeats):
        values = sample(np.random.default_rng([1, repeat]))
        interval = mean_interval(values, resamples=RESAMPLES)
        low, high = stats.t.interval(0.95, PATIENTS - 1, values.mean(), stats.sem(values))
        hits += [
            interval.low <= truth <= interval.high,
            interval.percentile_low <= truth <= interval.percentile_high,
            low <= truth <= high,
        ]
    bca, percentile, student = 100 * hits / repeats
    return f"mean, {name}: BCa {bca:.1f} %, percentile {percentile:.1f} %, Student's t {student:.1f} %"


def correlation_coverage(repeats: int, truth: float = 0.85) -> str:
    """Share of repeats in which the interval of Pearson's r holds the true r of a bivariate normal."""
    hits = 0
    for repeat in range(repeats):
        g = np.random.default_rng([2, repeat])
        x = g.normal(size=PATIENTS)
        y = truth * x + np.sqrt(1 - truth**2) * g.normal(size=PATIENTS)
        hits += _holds(
            bootstrap_interval(lambda w, x=x, y=y: correlation(w, x, y), PATIENTS, resamples=RESAMPLES), truth
        )
    return f"Pearson r = {truth}: BCa {100 * hits / repeats:.1f} %"


def shift_coverage(repeats: int) -> str:
    """Share of repeats in which the Hodges-Lehmann interval holds the true shift (skewed patients, heavy-tailed noise)."""
    hits = 0
    for repeat in range(repeats):
        g = np.random.default_rng([3, repeat])
        _, low, high = hodges_lehmann(0.01 + 0.01 * g.standard_t(3, PATIENTS))
        hits += low <= 0.01 <= high
    return f"Hodges-Lehmann shift: {100 * hits / repeats:.1f} %"


def seed_coverage(repeats: int, seed_sd: float) -> str:
    """Coverage of the mean over patients and seeds, when both are drawn: hierarchical interval and patients alone."""
    hits = np.zeros(2)
    for repeat in range(repeats):
        g = np.random.default_rng([4, repeat])
        table = (
            0.93
            + g.normal(0, 0.03, (PATIENTS, 1))
            + g.normal(0, seed_sd, (1, SEEDS))
            + g.normal(0, 0.01, (PATIENTS, SEEDS))
        )
        summary = summarise(table, resamples=RESAMPLES)
        hits += [_holds(summary.interval, 0.93), _holds(summary.patients, 0.93)]
    both, patients = 100 * hits / repeats
    return f"{SEEDS} seeds with SD {100 * seed_sd:.1f} points: patients x seeds {both:.1f} %, patients alone {patients:.1f} %"


def family_wise_error(repeats: int, alpha: float = 0.05) -> Iterator[str]:
    """Share of repeats with any false rejection among four baselines that equal the reference, with and without Holm."""
    raw_errors = holm_errors = 0
    for repeat in range(repeats):
        g = np.random.default_rng([5, repeat])
        difficulty = 1 - g.exponential(0.07, PATIENTS)
        models = difficulty + 0.01 * g.standard_t(5, (5, PATIENTS))
        raw = np.array([signed_rank_p(models[0] - models[k]) for k in range(1, 5)])
        raw_errors += bool((raw < alpha).any())
        if raw.min() < alpha:  # else Holm cannot reject either
            holm_errors += bool((holm(raw) < alpha).any())
    yield f"any false rejection among 4 baselines, uncorrected: {100 * raw_errors / repeats:.1f} %"
    yield f"any false rejection among 4 baselines, Holm: {100 * holm_errors / repeats:.1f} %"


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    begin = time.perf_counter()
    print(f"n = {PATIENTS} patients, {repeats} repeats, nominal coverage 95 %, nominal error 5 %")
    for name in SAMPLES:
        print(mean_coverage(name, repeats), flush=True)
    print(correlation_coverage(repeats), flush=True)
    print(shift_coverage(repeats), flush=True)
    for seed_sd in (0.002, 0.01):
        print(seed_coverage(repeats, seed_sd), flush=True)
    for line in family_wise_error(repeats):
        print(line, flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
