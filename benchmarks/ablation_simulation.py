"""How often the intervals and tests of an ablation study are right, by simulation: python benchmarks/ablation_simulation.py

A contrast of two variants on n patients with s seeds: difference = true effect + patient + seed + rest, all normal (Dice
points). Reported per spread of the seeds:

- coverage of the 95 % bootstrap interval over patients and seeds, and of the t interval that allows for few seeds;
- false positives of that t test at 5 %, and of a paired t test on patients that takes the seeds as given;
- false positives of the family: any of four contrasts that share the full model, after Holm.

Processor time: about a minute of one core with the default 2,000 tables per row.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.statistics.bootstrap import mean_statistic
from harness.statistics.effects import crossed_test
from harness.statistics.seeds import hierarchical_interval

SEED_SDS = (0.0, 0.1, 0.2, 0.5, 1.0)
PATIENT_SD, REST_SD = 0.7, 1.2
VARIANTS = 4


def cell(rng: np.random.Generator, n: int, s: int, seed_sd: float, share: float = 1.0) -> NDArray[np.float64]:
    """Deviations [n, s] of one variant; two of them with ``share`` 1/2 differ by the spreads above."""
    parts = (PATIENT_SD, (n, 1)), (seed_sd, (1, s)), (REST_SD, (n, s))
    return sum(np.sqrt(share) * sd * rng.standard_normal(shape) for sd, shape in parts)  # type: ignore[return-value]


def row(n: int, s: int, seed_sd: float, effect: float, repeats: int, resamples: int, seed: int) -> list[float]:
    """Shares of ``repeats`` tables: coverage (bootstrap, t), false positives (t, patients alone), family-wise."""
    rng = np.random.default_rng(seed)
    hits = np.zeros(5)
    for _ in range(repeats):
        null = cell(rng, n, s, seed_sd)
        test = crossed_test(null)
        columns = [mean_statistic(column) for column in (null + effect).T]
        interval = hierarchical_interval(columns, n, resamples=resamples)
        full = cell(rng, n, s, seed_sd, 0.5)
        family = [crossed_test(full - cell(rng, n, s, seed_sd, 0.5)).p for _ in range(VARIANTS)]
        hits += (
            interval.low <= effect <= interval.high,
            test.low <= 0 <= test.high,
            test.p < 0.05,
            stats.ttest_1samp(null.mean(1), 0).pvalue < 0.05,
            VARIANTS * min(family) < 0.05,  # the first step of Holm's correction
        )
    return list(hits / repeats)


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patients", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=500)
    options = parser.parse_args()
    heads = ("SD of seeds", "bootstrap covers", "t covers", "t test", "patients alone", f"any of {VARIANTS}, Holm")
    print(
        f"n = {options.patients}, {options.seeds} seeds, {options.repeats} tables per row; patients {PATIENT_SD}, rest {REST_SD}"
    )
    print("| " + " | ".join(heads) + " |\n" + "| --: " * len(heads) + "|")
    for number, seed_sd in enumerate(SEED_SDS):
        shares = row(
            options.patients, options.seeds, seed_sd, 0.5, options.repeats, options.resamples, seed=1000 + number
        )
        print(f"| {seed_sd:g} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main()
