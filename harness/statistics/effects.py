"""Effects of factors from per-patient values: contrasts, main effects and interactions with paired intervals.

All functions are pure. ``Scores`` are per cell a table [patients, seeds] (index: patient, columns: seed): every effect is
a weighted sum of cells, computed within each patient first, so that what patients share cancels. Differences are always
(reference level) − (other level): what the part brings.

Uncertainty has two sources, patients and trainings, crossed, as in ``statistics.crossed``. The variance between trainings is
estimated per cell and moderated over all cells of the study: two trainings per cell that agree by chance in one contrast no
longer make that contrast certain. An effect is tested where either side of it rests on three trainings or more, and where any
cell has two; else its interval is over patients alone and nothing is claimed. As in ``statistics.comparison`` an effect is shown
where the crossed test and the sign-flip test of the patients both reject.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from harness.statistics.bootstrap import SMALLEST_SAMPLE, Floats
from harness.statistics.comparison import SMALLEST_TRAININGS
from harness.statistics.crossed import Estimate, arm_spread
from harness.statistics.exact import flip_interval, sign_flip
from harness.statistics.families import ALPHA, Family, correct
from harness.statistics.matching import Levels, matched_pairs
from harness.statistics.moderation import floored, moderated_spreads

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
        values: the weighted sum of the cells' means, per patient.
        point, low, high: estimate and interval over patients and trainings at ``level``, which matches the correction: the hull of
            the crossed and the sign-flip interval; over patients alone (sign-flip) where ``tested`` is false; limits NaN below
            10 patients.
        equivalence_low, equivalence_high: interval of the two one-sided tests, at 1 - 2 (1 - level).
        seed_sd: moderated spread of the effect between single trainings; NaN where no cell has two.
        p, p_adjusted: two-sided, the larger one of the crossed and the sign-flip test, before and after Bonferroni's correction over the effects of the same family; NaN where
            not tested.
        patients, seeds, pairs: what went into it; ``seeds`` is the smallest number of a cell, ``pairs`` counts matched
            pairs of cells (quadruples for an interaction).
    """

    kind: EffectKind
    name: str
    factors: tuple[str, ...]
    point: float
    estimate: Estimate
    values: Floats = field(repr=False, compare=False)
    tested: bool
    seed_sd: float
    patients: int
    seeds: int
    pairs: int
    cells: tuple[str, ...] = ()
    low: float = float("nan")
    high: float = float("nan")
    equivalence_low: float = float("nan")
    equivalence_high: float = float("nan")
    p: float = float("nan")
    p_adjusted: float = float("nan")
    level: float = 1 - ALPHA
    learned: bool = True
    """Whether every cell of it has learned the task; else nothing is claimed."""
    leverage: float = 1.0
    """Sum of the squared weights of its cells: how much of the patients' noise reaches it."""

    @property
    def shown(self) -> bool:
        """Whether an effect is shown after correction."""
        return bool(self.p_adjusted < ALPHA)


def contrasts(
    scores: Scores, reference: str, names: Mapping[str, str], *, not_learned: Collection[str] = ()
) -> list[Effect]:
    """The full model against every other cell that has scores; Bonferroni over all of them.

    Args:
        scores: per cell key the values.
        reference: key of the full model; without scores of it there is no contrast.
        names: cell key → what the variant is called.
        not_learned: keys of cells that have not learned the task: effects with them are not tested.
    """
    if reference not in scores:
        return []
    # In the order of the study and not of the scores: the table must not change with a run that comes later.
    others = [key for key in names if key in scores and key != reference]
    spreads = cell_spreads(scores)
    return corrected(
        [
            _effect(scores, spreads, {reference: 1.0, key: -1.0}, kind="contrast", name=names[key], factors=(), pairs=1)
            for key in others
        ],
        not_learned,
    )


def main_effects(
    scores: Scores,
    cells: Mapping[str, Levels],
    levels: Mapping[str, Sequence[str]],
    labels: Mapping[str, str],
    *,
    not_learned: Collection[str] = (),
) -> list[Effect]:
    """Per factor and non-reference level the mean over matched pairs of cells, and all two-factor interactions.

    Args:
        scores: per cell key the values; cells without scores take no part.
        cells: cell key → its levels.
        levels: factor → levels, the reference first.
        labels: factor → what it is called.
        not_learned: keys of cells that have not learned the task: effects with them are not tested.

    Returns:
        Main effects, then interactions; Bonferroni over all of them. An effect without any pair is left out.
    """
    # A cell whose runs failed takes its pairs along: a mean over other pairs would be another effect.
    known = {key: cell for key, cell in cells.items() if key in scores}
    spreads = cell_spreads({key: scores[key] for key in known})
    found = []
    for factor, (reference, *others) in levels.items():
        for level in others:
            weights, pairs = main_weights(known, factor, reference, level)
            if pairs:
                name = labels[factor] if len(others) == 1 else f"{labels[factor]}: {reference} vs {level}"
                found.append(_effect(scores, spreads, weights, kind="main", name=name, factors=(factor,), pairs=pairs))
    for one, two in itertools.combinations(levels, 2):
        # A factor of three levels has two interactions with another: each against its base level.
        for level_one, level_two in itertools.product(levels[one][1:], levels[two][1:]):
            weights, pairs = interaction_weights(
                known, (one, levels[one][0], level_one), (two, levels[two][0], level_two)
            )
            if pairs:
                name = f"{_called(one, level_one, levels, labels)} x {_called(two, level_two, levels, labels)}"
                found.append(
                    _effect(scores, spreads, weights, kind="interaction", name=name, factors=(one, two), pairs=pairs)
                )
    return corrected(found, not_learned)


def _called(factor: str, level: str, levels: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> str:
    return labels[factor] if len(levels[factor]) == 2 else f"{labels[factor]} {level}"


def main_weights(cells: Mapping[str, Levels], factor: str, reference: str, level: str) -> tuple[Weights, int]:
    """Weights of the cells in a main effect: within each side every cell that has a partner counts alike.

    A cell may have several partners where a factor is moot in it (a model without memory against every model with one).
    """
    keys = list(cells)
    pairs = matched_pairs(cells.values(), factor, reference, level)
    plus, minus = sorted({i for i, _ in pairs}), sorted({j for _, j in pairs})
    # Equal weights: an unbalanced design must not let the side with more cells speak louder.
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
                # A quadruple with a missing corner has no difference of differences.
                quads.append([index[corner] for corner in wanted])
    for quad in quads:
        for key, (a, b) in zip(quad, corners, strict=True):
            weights[key] = weights.get(key, 0.0) + (1 if a == b else -1) / len(quads)
    return weights, len(quads)


def cell_spreads(scores: Scores) -> dict[str, tuple[float, float, float]]:
    """Per cell the variance between trainings, moderated over all cells, its degrees of freedom, and patients' noise in it."""
    spreads = {key: arm_spread(table.dropna().to_numpy(np.float64)) for key, table in scores.items()}
    return moderated_spreads({"value": spreads})["value"]


def combine(scores: Scores, weights: Weights) -> pd.Series:
    """Weighted sum of the cells' means over trainings, per patient that every cell has in full."""
    means = pd.concat([scores[key].mean(axis=1, skipna=False) for key in weights], axis=1, join="inner").dropna()
    return pd.Series(means.to_numpy(np.float64) @ np.array(list(weights.values())), index=means.index).sort_index()


def _effect(
    scores: Scores,
    spreads: Mapping[str, tuple[float, float, float]],
    weights: Weights,
    *,
    kind: EffectKind,
    name: str,
    factors: tuple[str, ...],
    pairs: int,
) -> Effect:
    values = combine(scores, weights).to_numpy(np.float64)
    n = len(values)
    counts = {key: scores[key].shape[1] for key in weights}
    # Both sides of a difference need trainings of their own: those of one side say nothing about the other's.
    sides = [sum(counts[key] for key, weight in weights.items() if sign * weight > 0) for sign in (1, -1)]
    known = all(np.isfinite(spreads[key][0]) for key in weights)
    tested = known and min(sides) >= SMALLEST_TRAININGS and n >= SMALLEST_SAMPLE
    patients = float(values.var(ddof=1)) / n if n > 1 else float("nan")
    parts, degrees = [patients], [max(n - 1.0, 1.0)]
    if tested:
        for key, weight in weights.items():
            variance, freedom, noise = spreads[key]
            # The patients' part holds patient x training already: what it adds to the spread of means is taken out.
            parts.append(weight**2 * max(variance - noise, 0.0) / counts[key])
            degrees.append(freedom)
    estimate = Estimate(float(values.mean()) if n else float("nan"), tuple(parts), tuple(degrees))
    return Effect(
        kind=kind,
        name=name,
        factors=factors,
        point=estimate.point,
        estimate=estimate,
        values=values,
        tested=tested,
        seed_sd=float(np.sqrt(sum(w**2 * spreads[key][0] for key, w in weights.items()))) if known else float("nan"),
        patients=n,
        seeds=min(counts.values()),
        pairs=pairs,
        cells=tuple(weights),
        leverage=float(sum(weight**2 for weight in weights.values())),
    )


def corrected(effects: Sequence[Effect], not_learned: Collection[str] = ()) -> list[Effect]:
    """The same effects with p, correction over all of them, and the intervals that match it."""
    effects = [
        replace(effect, learned=False, tested=False) if set(effect.cells) & set(not_learned) else effect
        for effect in effects
    ]
    effects = _floored(effects)
    # Main effects and interactions are one family: they are read from one table, and the largest would be picked.
    raw = [_both(effect) if effect.tested else float("nan") for effect in effects]
    family = correct(raw)
    finished = zip(effects, raw, family.adjusted, strict=True)
    return [_finished(effect, p, float(adjusted), family) for effect, p, adjusted in finished]


def _both(effect: Effect) -> float:
    """The larger p of the crossed and the sign-flip test: what is shown does not rest on one of them alone."""
    return max(effect.estimate.p, sign_flip(effect.values).p)


def _floored(effects: Sequence[Effect]) -> list[Effect]:
    """The tested effects with the patients' variance not below its moderated value over all of them (``moderation.floored``).

    Effects weigh different numbers of cells: their variances are alike in what a single cell contributes.
    """
    tested = [effect for effect in effects if effect.tested]
    variances = floored(
        [effect.estimate.parts[0] * effect.patients / effect.leverage for effect in tested],
        [effect.patients - 1 for effect in tested],
    )
    known = {
        id(effect): replace(
            effect.estimate,
            parts=(float(variance) * effect.leverage / effect.patients, *effect.estimate.parts[1:]),
        )
        for effect, variance in zip(tested, variances, strict=True)
    }
    return [replace(effect, estimate=known.get(id(effect), effect.estimate)) for effect in effects]


def _finished(effect: Effect, p: float, adjusted: float, family: Family) -> Effect:
    if effect.patients < SMALLEST_SAMPLE:
        return effect
    # The same level as the corrected p, so that an interval without zero and a dagger say one thing.
    alpha = family.level if effect.tested else ALPHA
    low, high = _interval(effect, 1 - alpha)
    if not effect.tested:
        return replace(effect, low=low, high=high)
    equivalence = _interval(effect, 1 - 2 * alpha)
    return replace(
        effect,
        low=low,
        high=high,
        equivalence_low=equivalence[0],
        equivalence_high=equivalence[1],
        p=p,
        p_adjusted=adjusted,
        level=1 - alpha,
    )


def _interval(effect: Effect, level: float) -> tuple[float, float]:
    return flip_interval(effect.values, level, effect.estimate.interval(level) if effect.tested else None)
