"""Does the comparison of models keep its promises? False daggers, coverage and power by simulation of whole columns.

    python benchmarks/crossed_simulation.py --patients 25 --trainings 3            (about a minute of one core)
    python benchmarks/crossed_simulation.py --patients 50 --trainings 3 --power

A column has five arms. An arm's value for a patient and training, in Dice points, is patient (shared by all arms) + patient x
arm (SD 0.5) + training (SD as in the row) + rest (SD 0.85), all normal; a contrast of two arms has the spreads of the project's
own rows (patients 0.7, rest 1.2). With ``--noisy 3`` the second arm's trainings spread three times as much.

Reported per SD of the trainings, with nothing different (or with ``--power`` one baseline different by the effect):

- dagger: any of the four comparisons is called different as in a table, by the crossed test and the sign-flip test, both at the
  level of Bonferroni's correction; ``crossed`` is the crossed test alone;
- covers: share of 95 % intervals (the hull of both, as in a table) that hold the true difference, among all, the narrowest
  quarter, and those narrower than a Dice point (with their share); ``noisy`` is the comparison with the second arm;
- old: any dagger of a Wilcoxon signed-rank test on means over trainings, Holm-corrected, which takes trainings as given.

Widths are those of the crossed interval; whether the sign-flip interval reaches further is only asked where that one misses.

A 95 % t interval of 25 normal patients covers 92 % among its own narrowest quarter: conditioning on a small variance costs any
method that estimates one. The standard error of a share p over N repeats is sqrt(p (1 - p) / N): 0.5 points for 5 % of 2,000.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from harness.statistics.crossed import Estimate, arm_spread, difference
from harness.statistics.exact import sign_flip
from harness.statistics.families import ALPHA
from harness.statistics.moderation import floored, moderated_spreads

TRAINING_SDS = (0.0, 0.1, 0.2, 0.5, 1.0)
PATIENT_SD, REST_SD, ARMS = 0.5, 0.85, 5
Values = NDArray[np.float64]


def column(rng: np.random.Generator, n: int, s: int, training_sd: float, noisy: float) -> Values:
    """Values [ARMS, n, s] of one column in which no arm differs in truth."""
    spread = np.full((ARMS, 1, 1), training_sd)
    spread[1] *= noisy
    parts = (
        PATIENT_SD * rng.standard_normal((ARMS, n, 1)),
        spread * rng.standard_normal((ARMS, 1, s)),
        REST_SD * rng.standard_normal((ARMS, n, s)),
    )
    return sum(parts[1:], parts[0])


def estimates(values: Values) -> list[Estimate]:
    """The library's estimates of the first arm against every other."""
    spreads = {"dice": {str(arm): arm_spread(table) for arm, table in enumerate(values)}}
    return against_first(values, moderated_spreads(spreads)["dice"])


def against_first(values: Values, known: Mapping[str, tuple[float, float, float]]) -> list[Estimate]:
    """Estimates of the first arm of a column [arms, n, trainings] against every other, as ``statistics.comparison`` makes them."""
    means = values.mean(axis=2)
    patients = floored((means[:1] - means[1:]).var(axis=1, ddof=1), np.full(len(values) - 1, means.shape[1] - 1.0))
    return [
        difference(values[0], values[arm], *((known["0"][k], known[str(arm)][k]) for k in range(3)), float(variance))
        for arm, variance in enumerate(patients, start=1)
    ]


def holm(p_values: ArrayLike) -> Values:
    """Holm-adjusted p values [m] of one declared family; NaN entries (not tested) stay NaN and do not count."""
    raw = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    tested = np.isfinite(raw)
    # S. Holm, Scand. J. Stat. 6 (1979), written out: statsmodels' multipletests runs the garbage collector at every call,
    # which takes longer than everything else here.
    order = np.argsort(raw[tested], kind="stable")
    steps = raw[tested][order] * np.arange(len(order), 0, -1)
    stepped = np.empty(len(order))
    stepped[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    adjusted[tested] = stepped
    return adjusted


def row(n: int, s: int, training_sd: float, noisy: float, effect: float, repeats: int, seed: int) -> list[float]:
    """Shares of one line of the table, in percent."""
    rng = np.random.default_rng(seed)
    widths, hits = np.empty((repeats, ARMS - 1)), np.empty((repeats, ARMS - 1), dtype=bool)
    daggers = np.zeros((repeats, 3), dtype=bool)
    truth = np.array([effect, 0.0, 0.0, 0.0])
    for repeat in range(repeats):
        values = column(rng, n, s, training_sd, noisy)
        values[1] -= effect
        found = estimates(values)
        limits = np.array([one.interval(1 - ALPHA) for one in found])
        widths[repeat] = limits[:, 1] - limits[:, 0]
        means = values.mean(axis=2)
        paired = means[:1] - means[1:]
        hits[repeat] = (limits[:, 0] <= truth) & (truth <= limits[:, 1])
        for missed in np.flatnonzero(~hits[repeat]):
            hits[repeat, missed] = sign_flip(paired[missed] - truth[missed]).p >= ALPHA
        level = ALPHA / (ARMS - 1)
        family = np.array([one.interval(1 - level) for one in found])
        away = (family[:, 0] > 0) | (family[:, 1] < 0)
        both = np.array([apart and sign_flip(one).p < level for apart, one in zip(away, paired, strict=True)])
        raw = stats.wilcoxon(paired, method="approx", axis=1).pvalue
        pick = slice(None) if not effect else slice(0, 1)
        daggers[repeat] = both[pick].any(), away[pick].any(), (holm(raw) < ALPHA)[pick].any()
    narrow, short = widths <= np.quantile(widths, 0.25), widths < 1
    covers = (hits.mean(), hits[narrow].mean(), hits[:, 0].mean(), hits[short].mean() if short.any() else np.nan)
    return [100 * share for share in (*daggers.mean(axis=0), *covers, short.mean())]


def frontier() -> None:
    """Print what coverage among the narrowest quarter costs, by degrees of freedom of the variance that is estimated.

    An interval of q standard errors covers Phi(q s) - Phi(-q s) where the error is s times what it should be; s^2 is chi-squared.
    """
    heads = (
        "degrees of freedom",
        "Student's, narrowest quarter",
        "97 % of all, narrowest quarter",
        "93 % there, of all",
    )
    print("| " + " | ".join(heads) + " |\n|" + " --: |" * len(heads))
    points = (np.arange(200_000) + 0.5) / 200_000
    for degrees in (4, 10, 20, 24, 34):
        scale = np.sqrt(stats.chi2.ppf(points, degrees) / degrees)

        def covers(reach: float, ratios: Values) -> float:
            return float(100 * np.mean(2 * stats.norm.cdf(reach * ratios) - 1))

        narrow = scale[: len(scale) // 4]
        usual, wider = stats.t.ppf(0.975, degrees), stats.t.ppf(0.985, degrees)
        enough = next(reach for reach in np.arange(1.9, 6, 0.005) if covers(reach, narrow) >= 93)
        cells = (covers(usual, narrow), covers(wider, narrow), covers(enough, scale))
        print(f"| {degrees} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patients", type=int, default=25)
    parser.add_argument("--trainings", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--noisy", type=float, default=1.0)
    parser.add_argument("--power", action="store_true", help="power for effects of 0.5, 1 and 2 points instead")
    parser.add_argument(
        "--frontier", action="store_true", help="what coverage of narrow intervals costs, by calculation"
    )
    chosen = parser.parse_args()
    if chosen.frontier:
        frontier()
        return
    heads = [
        "SD",
        "dagger",
        "crossed",
        "old",
        "covers",
        "narrowest quarter",
        "noisy",
        "< 1 point",
        "share of these",
    ]
    effects = (0.5, 1.0, 2.0) if chosen.power else (0.0,)
    print(
        f"n = {chosen.patients}, {chosen.trainings} trainings per arm, noisy x {chosen.noisy:g}, {chosen.repeats} repeats"
    )
    print("| effect | " + " | ".join(heads) + " |\n|" + " --: |" * (len(heads) + 1))
    for effect in effects:
        for number, sd in enumerate(TRAINING_SDS):
            shares = row(chosen.patients, chosen.trainings, sd, chosen.noisy, effect, chosen.repeats, seed=number)
            print(f"| {effect:g} | {sd:g} | " + " | ".join(f"{share:.1f}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main()
