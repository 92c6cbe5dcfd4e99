"""Effects of factors from per-patient values: contrasts, main effects and interactions with paired intervals.

All functions are pure. ``Scores`` are per cell a table [patients, seeds] (index: patient, columns: seed): every effect is
a weighted sum of cells, computed within each patient and seed first, so that what patients and seeds share cancels.
Differences are always (reference level) − (other level): what the part brings.

Uncertainty has two sources, patients and seeds, crossed:

- interval and ``p`` come from the t test of the mean of crossed random effects. Its variance is that of a two-way analysis
  of variance, (MS patients + MS seeds − MS rest) / (n s), the part of the patients not below zero; its quantile is the mean of
  those with n − 1 and s − 1 degrees of freedom, weighted with the parts (Cochran, Biometrics 20, 1964), which keeps the
  level where Satterthwaite's degrees of freedom do not: three seeds that happen to agree;
- the bootstrap that redraws both (``statistics.seeds``) stands beside it; three seeds are too few for it
  (``benchmarks/ablation_simulation.py``).

With one seed they are the BCa interval and the signed-rank test over patients, which say nothing about another seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import optimize, stats

from harness.statistics.bootstrap import RESAMPLES, Floats, Interval
from harness.statistics.matching import Levels, matched_pairs
from harness.statistics.paired import holm, signed_rank_p
from harness.statistics.seeds import summarise

Scores = Mapping[str, pd.DataFrame]
Weights = dict[str, float]
EffectKind = Literal["contrast", "main", "interaction"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """One estimated difference.

    Attributes:
        kind: ``contrast`` (the full model − one variant), ``main`` (reference − level, averaged over matched pairs of
            cells) or ``interaction`` (how much more one factor brings where the other is at its reference).
        name: ``KPFF``, ``LKVA x GDR``, or the variant's name.
        factors: names of the factors involved.
        point, low, high: estimate and 95 % interval over patients and seeds; limits NaN below 10 patients.
        boot_low, boot_high: bootstrap interval over patients and seeds; for one seed the same.
        seed_sd: standard deviation of the seeds' estimates; NaN for one seed.
        p, p_adjusted: two-sided, before and after Holm over the effects of the same family; NaN where not tested.
        patients, seeds, pairs: what went into it; ``pairs`` counts matched pairs of cells (quadruples for an
            interaction).
    """

    kind: EffectKind
    name: str
    factors: tuple[str, ...]
    point: float
    low: float
    high: float
    boot_low: float
    boot_high: float
    seed_sd: float
    p: float
    p_adjusted: float
    patients: int
    seeds: int
    pairs: int


def contrasts(scores: Scores, reference: str, names: Mapping[str, str]) -> list[Effect]:
    """The full model against every other cell that has scores; Holm over all of them.

    Args:
        scores: per cell key the values.
        reference: key of the full model; without scores of it there is no contrast.
        names: cell key → what the variant is called.
    """
    if reference not in scores:
        return []
    others = [key for key in names if key in scores and key != reference]
    return corrected(
        [
            _effect(scores, {reference: 1.0, key: -1.0}, kind="contrast", name=names[key], factors=(), pairs=1)
            for key in others
        ]
    )


def main_effects(
    scores: Scores, cells: Mapping[str, Levels], levels: Mapping[str, Sequence[str]], labels: Mapping[str, str]
) -> list[Effect]:
    """Per factor and non-reference level the mean over matched pairs of cells, and all two-factor interactions.

    Args:
        scores: per cell key the values; cells without scores take no part.
        cells: cell key → its levels.
        levels: factor → levels, the reference first.
        labels: factor → what it is called.

    Returns:
        Main effects, then interactions; Holm over all of them. An effect without any pair is left out.
    """
    known = {key: cell for key, cell in cells.items() if key in scores}
    found = []
    for factor, (reference, *others) in levels.items():
        for level in others:
            weights, pairs = main_weights(known, factor, reference, level)
            if pairs:
                name = labels[factor] if len(others) == 1 else f"{labels[factor]}: {reference} vs {level}"
                found.append(_effect(scores, weights, kind="main", name=name, factors=(factor,), pairs=pairs))
    for one, two in itertools.combinations(levels, 2):
        for level_one, level_two in itertools.product(levels[one][1:], levels[two][1:]):
            weights, pairs = interaction_weights(
                known, (one, levels[one][0], level_one), (two, levels[two][0], level_two)
            )
            if pairs:
                name = f"{_called(one, level_one, levels, labels)} x {_called(two, level_two, levels, labels)}"
                found.append(_effect(scores, weights, kind="interaction", name=name, factors=(one, two), pairs=pairs))
    return corrected(found)


def _called(factor: str, level: str, levels: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> str:
    return labels[factor] if len(levels[factor]) == 2 else f"{labels[factor]} {level}"


def main_weights(cells: Mapping[str, Levels], factor: str, reference: str, level: str) -> tuple[Weights, int]:
    """Weights of the cells in a main effect: within each side every cell that has a partner counts alike.

    A cell may have several partners where a factor is moot in it (a model without memory against every model with one).
    """
    keys = list(cells)
    pairs = matched_pairs(cells.values(), factor, reference, level)
    plus, minus = sorted({i for i, _ in pairs}), sorted({j for _, j in pairs})
    weights = {keys[i]: 1 / len(plus) for i in plus}
    return weights | {keys[j]: -1 / len(minus) for j in minus}, len(pairs)


def interaction_weights(
    cells: Mapping[str, Levels], first: tuple[str, str, str], second: tuple[str, str, str]
) -> tuple[Weights, int]:
    """Weights of (effect of first at the base of second) − (effect of first at the level of second), over quadruples.

    ``first`` and ``second`` are (factor, base level, level). The difference of differences is not halved.
    """
    index = {tuple(sorted(levels.items())): key for key, levels in cells.items()}
    weights: Weights = {}
    corners = list(itertools.product((1, 2), (1, 2)))
    quads = []
    for levels in cells.values():
        if levels[first[0]] == first[1] and levels[second[0]] == second[1]:
            wanted = [tuple(sorted({**levels, first[0]: first[a], second[0]: second[b]}.items())) for a, b in corners]
            if all(corner in index for corner in wanted):
                quads.append([index[corner] for corner in wanted])
    for quad in quads:
        for key, (a, b) in zip(quad, corners, strict=True):
            weights[key] = weights.get(key, 0.0) + (1 if a == b else -1) / len(quads)
    return weights, len(quads)


def combine(scores: Scores, weights: Weights) -> pd.DataFrame:
    """Weighted sum of cells [patients, seeds] over the seeds and patients that every cell has."""
    tables = [scores[key] for key in weights]
    seeds = sorted(set.intersection(*(set(table.columns) for table in tables)))
    patients = sorted(set.intersection(*(set(table.index) for table in tables)))
    total = pd.DataFrame(0.0, index=patients, columns=seeds)
    for table, weight in zip(tables, weights.values(), strict=True):
        total += weight * table.loc[patients, seeds]
    return total.dropna()


def _effect(
    scores: Scores, weights: Weights, *, kind: EffectKind, name: str, factors: tuple[str, ...], pairs: int
) -> Effect:
    table = combine(scores, weights)
    values = table.to_numpy(np.float64)
    nothing = float("nan")
    empty = not values.size
    summary = summarise(values, resamples=RESAMPLES) if not empty else None
    limits: CrossedTest | Interval | None = summary.interval if summary else None
    if values.shape[1] > 1 and summary and summary.interval.defined:
        limits = crossed_test(values)
    return Effect(
        kind=kind,
        name=name,
        factors=factors,
        point=summary.interval.point if summary else nothing,
        low=limits.low if limits else nothing,
        high=limits.high if limits else nothing,
        boot_low=summary.interval.low if summary else nothing,
        boot_high=summary.interval.high if summary else nothing,
        seed_sd=summary.seed_sd if summary else nothing,
        p=p_value(values) if not empty else nothing,
        p_adjusted=nothing,
        patients=len(table),
        seeds=table.shape[1],
        pairs=pairs,
    )


def corrected(effects: Sequence[Effect]) -> list[Effect]:
    """The same effects with Holm's correction over all of them."""
    adjusted = holm([effect.p for effect in effects])
    return [replace(effect, p_adjusted=float(p)) for effect, p in zip(effects, adjusted, strict=True)]


def p_value(values: Floats) -> float:
    """Two-sided p of a mean of zero for differences [patients, seeds]: see the module's text."""
    return signed_rank_p(values[:, 0]) if values.shape[1] == 1 else crossed_test(values).p


@dataclass(frozen=True, slots=True)
class CrossedTest:
    """Two-sided p of a mean of zero and the interval of the mean; NaN where there is no test."""

    p: float
    low: float
    high: float


def crossed_test(values: Floats, level: float = 0.95) -> CrossedTest:
    """t test of the mean of ``values`` [n patients, s seeds] with both taken as random and crossed; see the module's text.

    Fewer than two patients or seeds give NaN. Values without any spread give p = 0 or, all zero, 1. At α = 5 % it rejects a
    true zero in 3 to 5 % of simulated tables, however much three seeds differ (``benchmarks/ablation_simulation.py``).
    """
    n, s = values.shape
    if n < 2 or s < 2:
        return CrossedTest(float("nan"), float("nan"), float("nan"))
    mean = float(values.mean())
    patients, seeds = variance_parts(values)
    error = float(np.sqrt(patients + seeds))
    if np.ptp(values) == 0 or error == 0:
        return CrossedTest(1.0 if mean == 0 else 0.0, mean, mean)

    def quantile(p: float) -> float:
        tails = stats.t.isf(p / 2, np.array([n - 1, s - 1]))
        return float(np.average(tails, weights=[patients, seeds]))

    reach = quantile(1 - level) * error
    return CrossedTest(_solve(quantile, abs(mean) / error), mean - reach, mean + reach)


def variance_parts(values: Floats) -> tuple[float, float]:
    """Parts of patients and seeds in the variance of the mean of ``values`` [n, s]; both are at least zero."""
    n, s = values.shape
    rows, columns = values.mean(1), values.mean(0)
    rest = ((values - rows[:, None] - columns[None, :] + values.mean()) ** 2).sum() / ((n - 1) * (s - 1))
    patients = max(float(s * rows.var(ddof=1) - rest), 0.0)
    return patients / (n * s), float(columns.var(ddof=1)) / s


def _solve(quantile: Callable[[float], float], statistic: float) -> float:
    """The p at which the two-sided quantile is the statistic; below 1e-30 it is 0."""
    smallest = -30.0
    if quantile(10**smallest) <= statistic:
        return 0.0
    return 10 ** float(optimize.brentq(lambda log_p: quantile(10**log_p) - statistic, smallest, 0.0))
