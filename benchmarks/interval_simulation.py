"""Which interval of a mean keeps 95 %? Coverage by simulation for normal, Dice-like and failing patients.

    python benchmarks/interval_simulation.py --repeats 3000        (about two minutes of one core)

Every line is a simulation with known truth; the standard error of a share p over N repeats is sqrt(p (1 - p) / N): 0.4 points.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.statistics.bootstrap import bca_limits, mean_interval, resampling_weights
from harness.statistics.failures import mean_share
from harness.statistics.seeds import summarise

RESAMPLES, SIZES = 2000, (10, 25, 50, 100)
Values = NDArray[np.float64]
Sampler = Callable[[np.random.Generator, int], Values]

SAMPLES: dict[str, tuple[Sampler, float]] = {
    "normal": (lambda g, n: g.normal(93, 3, n), 93.0),
    "Dice-like, 100 - exponential(7)": (lambda g, n: 100 - g.exponential(7, n), 93.0),
    "5 % failures": (
        lambda g, n: np.where(g.random(n) < 0.05, g.uniform(30, 70, n), g.normal(94, 2, n)),
        0.05 * 50 + 0.95 * 94,
    ),
}
METHODS = ("bootstrap-t", "expanded BCa", "BCa", "percentile", "Student's t")


def coverage(sample: Sampler, truth: float, n: int, repeats: int) -> list[str]:
    """Share of repeats in which each interval of ``METHODS`` holds the true mean, with its median width."""
    hits, widths = np.zeros(len(METHODS)), np.empty((repeats, len(METHODS)))
    weights = resampling_weights(n, RESAMPLES)
    for repeat in range(repeats):
        values = sample(np.random.default_rng([1, n, repeat]), n)
        interval = mean_interval(values, resamples=RESAMPLES)
        means = weights @ values / n
        jackknife = (values.sum() - values) / (n - 1)
        limits = np.array(
            [
                (interval.low, interval.high),
                bca_limits(means, values.mean(), jackknife, _expanded(n)),
                bca_limits(means, values.mean(), jackknife),
                (interval.percentile_low, interval.percentile_high),
                stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values)),
            ]
        )
        hits += (limits[:, 0] <= truth) & (truth <= limits[:, 1])
        widths[repeat] = limits[:, 1] - limits[:, 0]
    return [
        f"{100 * hit / repeats:.1f} ({width:.1f})" for hit, width in zip(hits, np.median(widths, axis=0), strict=True)
    ]


def paired(noise: Sampler, n: int, repeats: int) -> str:
    """Coverage of the t interval of a paired mean difference, the one that comparisons use."""
    rows = np.stack([noise(np.random.default_rng([2, n, repeat]), n) for repeat in range(repeats)])
    reach = stats.t.isf(0.025, n - 1) * rows.std(axis=1, ddof=1) / np.sqrt(n)
    return f"{100 * np.mean(np.abs(rows.mean(axis=1)) <= reach):.1f}"


def trainings(n: int, s: int, sd: float, repeats: int) -> str:
    """Coverage of a model's mean over patients and trainings, both drawn anew."""
    hits = 0
    for repeat in range(repeats):
        g = np.random.default_rng([3, n, s, repeat])
        table = 93 + g.normal(0, 3, (n, 1)) + g.normal(0, sd, (1, s)) + g.normal(0, 1, (n, s))
        interval = summarise(table, resamples=RESAMPLES).interval
        hits += interval.low <= 93 <= interval.high
    return f"{100 * hits / repeats:.1f}"


def failures(n: int, rate: float, between: float, repeats: int) -> str:
    """Coverage of the exact limits of a mean share of failed conditions, and how often the truth lies above them.

    A patient fails in each of 80 conditions with a chance of its own, from a beta distribution with the mean ``rate`` and the
    variance ``between`` times the largest there is: 1 where a patient fails throughout or not at all, 0 where all are alike.
    """
    g = np.random.default_rng([4, n, round(1000 * rate), round(100 * between)])
    weight = 1 / between - 1 if between else math.inf
    if weight == 0:
        chances = (g.random((repeats, n)) < rate).astype(float)
    elif weight == math.inf:
        chances = np.full((repeats, n), rate)
    else:
        chances = g.beta(weight * rate, weight * (1 - rate), (repeats, n))
    shares = g.binomial(80, chances) / 80
    found = [mean_share(row) for row in shares]
    covered = np.mean([one.low <= rate <= one.high for one in found])
    above = np.mean([one.high < rate for one in found])
    return f"{100 * covered:.1f} ({100 * above:.1f})"


def _expanded(n: int) -> float:
    """The expanded level of BCa, written out: Phi(sqrt(n / (n - 1)) t)."""
    return float(2 * stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1)) - 1)


def main() -> None:
    """Print four Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3000)
    repeats = parser.parse_args().repeats
    print(f"Coverage in percent of 95 % intervals of a mean (median width), {repeats} repeats, {RESAMPLES} resamples")
    print("| patients | n | " + " | ".join(METHODS) + " |\n|" + " --- |" * 2 + " --: |" * len(METHODS))
    for name, (sample, truth) in SAMPLES.items():
        for n in SIZES:
            print(f"| {name} | {n} | " + " | ".join(coverage(sample, truth, n, repeats)) + " |", flush=True)
    print("\n| t interval of a paired difference | " + " | ".join(f"n = {n}" for n in SIZES) + " |\n|" + " --- |" * 5)
    noises: dict[str, Sampler] = {
        "normal": lambda g, n: g.normal(0, 1, n),
        "t with 3 df": lambda g, n: g.standard_t(3, n),
    }
    for name, noise in noises.items():
        print(f"| {name} | " + " | ".join(paired(noise, n, repeats) for n in SIZES) + " |", flush=True)
    print("\n| mean over patients and trainings | SD 0.2 | SD 0.5 | SD 1 |\n|" + " --- |" * 4)
    for n, s in ((25, 3), (50, 3), (50, 5)):
        cells = [trainings(n, s, sd, repeats // 3) for sd in (0.2, 0.5, 1.0)]
        print(f"| n = {n}, {s} trainings | " + " | ".join(cells) + " |", flush=True)
    spreads = {"all or nothing": 1.0, "much, a half": 0.5, "some, a tenth": 0.1, "none": 0.0}
    print("\n| rate of failures | n | " + " | ".join(spreads) + " |\n|" + " --- |" * (2 + len(spreads)))
    for rate in (0.02, 0.1, 0.3):
        for n in SIZES[:3]:
            cells = [failures(n, rate, between, repeats) for between in spreads.values()]
            print(f"| {100 * rate:g} % | {n} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
