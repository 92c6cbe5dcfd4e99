"""Which correction for a whole table? False daggers and power of the families, by simulation of tables of six columns.

    python benchmarks/families_simulation.py --repeats 1000        (about two minutes of one core)

A table has five arms and six columns (the first is the primary endpoint) on 50 patients with three trainings per arm; columns
share 80 % of the variance of every part, as Dice, IoU, HD95, ASD, NSD and EF of the same masks do. Reported per SD of trainings,
with no difference anywhere and with two of four baselines worse by the effect in every column:

- primary, secondary, table: any false dagger there, with the corrections that tables use (Bonferroni over the baselines; Benjamini
  and Hochberg over all other columns);
- Holm 24: any false dagger of the table with Holm over all 24 tests;
- false discoveries: mean share of false daggers among the secondary ones; FCR: mean share of wrong intervals among those shown;
- power of one true difference: primary with Bonferroni and with Holm, secondary as used and with Holm over all 24.
"""

from __future__ import annotations

import argparse

import numpy as np
from crossed_simulation import against_first, holm
from numpy.typing import NDArray

from harness.statistics.crossed import Estimate, arm_spread
from harness.statistics.families import ALPHA, correct
from harness.statistics.moderation import moderated_spreads

PATIENTS, TRAININGS, ARMS, COLUMNS, SHARED = 50, 3, 5, 6, 0.8
PATIENT_SD, REST_SD = 0.5, 0.85
Values = NDArray[np.float64]


def table(rng: np.random.Generator, training_sd: float) -> Values:
    """Values [COLUMNS, ARMS, PATIENTS, TRAININGS] without any true difference."""
    shapes = (
        (PATIENT_SD, (ARMS, PATIENTS, 1)),
        (training_sd, (ARMS, 1, TRAININGS)),
        (REST_SD, (ARMS, PATIENTS, TRAININGS)),
    )
    total: Values = np.zeros((COLUMNS, ARMS, PATIENTS, TRAININGS))
    for sd, shape in shapes:
        common = rng.standard_normal((1, *shape))
        total = total + sd * (np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.standard_normal((COLUMNS, *shape)))
    return total


def estimates(values: Values) -> list[list[Estimate]]:
    """The library's estimates per column of the first arm against every other."""
    spreads = {str(c): {str(a): arm_spread(v) for a, v in enumerate(column)} for c, column in enumerate(values)}
    known = moderated_spreads(spreads)
    return [against_first(column, known[str(c)]) for c, column in enumerate(values)]


def row(training_sd: float, effect: float, repeats: int, seed: int) -> list[float]:
    """One line of the table, in percent."""
    rng = np.random.default_rng(seed)
    truth = np.array([effect, effect, 0.0, 0.0])
    true = np.tile(truth != 0, (COLUMNS, 1))
    sums = np.zeros(10)
    for _ in range(repeats):
        values = table(rng, training_sd)
        values[:, 1:] -= truth[:, None, None]
        found = estimates(values)
        p = np.array([[one.p for one in column] for column in found])
        first, rest = correct(p[0]), correct(p[1:].ravel(), "benjamini-hochberg")
        primary, secondary = first.adjusted < ALPHA, (rest.adjusted < ALPHA).reshape(COLUMNS - 1, -1)
        whole = (holm(p.ravel()) < ALPHA).reshape(p.shape)
        false = secondary & ~true[1:]
        wrong = [
            not low <= truth[a] <= high
            for c, a in zip(*np.nonzero(secondary), strict=True)
            for low, high in [found[c + 1][a].interval(rest.interval_level)]
        ]
        stepped = holm(p[0]) < ALPHA
        sums += (
            (primary & ~true[0]).any(),
            false.any(),
            (primary & ~true[0]).any() or false.any(),
            (whole & ~true).any(),
            false.sum() / max(secondary.sum(), 1),
            sum(wrong) / max(len(wrong), 1),
            *(pick[true[: len(pick)]].mean() if effect else np.nan for pick in (primary[None], stepped[None])),
            *(pick[true[1:]].mean() if effect else np.nan for pick in (secondary, whole[1:])),
        )
    return list(100 * sums / repeats)


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    heads = (
        *("SD", "effect", "primary", "secondary", "table", "Holm 24", "false discoveries", "FCR"),
        *("power, Bonferroni", "power, Holm", "power, secondary", "power, Holm 24"),
    )
    print(f"{PATIENTS} patients, {TRAININGS} trainings per arm, {repeats} tables per line; percent")
    print("| " + " | ".join(heads) + " |\n|" + " --: |" * len(heads))
    for number, (sd, effect) in enumerate([(0.0, 0.0), (0.2, 0.0), (0.5, 0.0), (0.2, 0.75), (0.5, 1.5)]):
        cells = [f"{share:.1f}" if np.isfinite(share) else "" for share in row(sd, effect, repeats, seed=number)]
        print(f"| {sd:g} | {effect:g} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
