"""Ranking several models on the same patients: omnibus test, all-pairs comparison, and how stable the ranking is.

Sources: J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006), for Friedman, Nemenyi and the
critical difference; M. Wiesenfarth et al., "Methods and open-source toolkit for analyzing and visualizing challenge results",
Scientific Reports 11 (2021), for the bootstrap of ranks (rank of the mean over patients).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from harness.statistics.bootstrap import RESAMPLES, Floats, resampling_weights
from harness.statistics.robust import worst_decile
from harness.statistics.seeds import crossed_distribution


@dataclass(frozen=True, slots=True)
class Friedman:
    """Friedman's test that all models rank alike: statistic, p, number of models and patients. NaN below 3 models."""

    statistic: float
    p: float
    models: int
    n: int


@dataclass(frozen=True, slots=True)
class Nemenyi:
    """All-pairs comparison of mean ranks.

    Attributes:
        mean_ranks: per model, 1 is best; ordered from best to worst.
        critical_difference: mean ranks further apart differ at ``alpha``.
        p: symmetric table of p values, models in the order of ``mean_ranks``.
        cliques: largest sets of models, neighbours in rank, that do not differ.
    """

    mean_ranks: pd.Series
    critical_difference: float
    p: pd.DataFrame
    cliques: tuple[tuple[str, ...], ...]
    alpha: float
    n: int


@dataclass(frozen=True, slots=True)
class RankStability:
    """Ranks over resampled patients.

    Attributes:
        ranks: rank of each model on the whole sample (1 is best, ties share the mean rank).
        share: how often (0..1) each model (row) takes each rank (column 1..k, ties counted at the better rank); rows sum to 1.
        low, high: 95 % percentile interval of each model's rank.
        tau: mean Kendall's tau between the resampled rankings and the one of the whole sample.
    """

    ranks: pd.Series
    share: pd.DataFrame
    low: pd.Series
    high: pd.Series
    tau: float
    n: int


def complete_cases(scores: pd.DataFrame) -> pd.DataFrame:
    """Patients (rows) that every model (column) has a value for."""
    return scores.dropna(axis=0, how="any")


def friedman(scores: pd.DataFrame) -> Friedman:
    """Friedman's test over ``scores`` [patients, models]; patients with a missing value are left out.

    Where every patient has the same value under all models there are no ranks to test: NaN.
    """
    table = complete_cases(scores)
    n, models = table.shape
    values = table.to_numpy()
    # Friedman's chi-square has k - 1 degrees of freedom; with two models it is a sign test, which stands elsewhere.
    if models < 3 or n < 2 or (np.ptp(values, axis=1) == 0).all():
        return Friedman(float("nan"), float("nan"), models, n)
    result = stats.friedmanchisquare(*values.T)
    return Friedman(float(result.statistic), float(result.pvalue), models, n)


def nemenyi(scores: pd.DataFrame, *, higher: bool = True, alpha: float = 0.05) -> Nemenyi:
    """Nemenyi's test over ``scores`` [patients, models] with at least two models and two complete patients.

    CD = q_alpha / sqrt(2) * sqrt(k (k + 1) / (6 n)), q from the studentised range with infinite degrees of freedom.

    Raises:
        ValueError: fewer models or patients.
    """
    table = complete_cases(scores)
    n, models = table.shape
    if models < 2 or n < 2:
        raise ValueError(f"nemenyi needs two models and two complete patients, got {models} and {n}")
    ranks = _row_ranks(table.to_numpy(), higher)
    means = pd.Series(ranks.mean(axis=0), index=table.columns).sort_values(kind="stable")
    scale = np.sqrt(models * (models + 1) / (6 * n))
    # Demsar 2006, section 3.2.2; infinite degrees, because ranks have a known variance.
    difference = float(stats.studentized_range.ppf(1 - alpha, models, np.inf) / np.sqrt(2) * scale)
    gaps = np.abs(means.to_numpy()[:, None] - means.to_numpy()[None, :])
    p = stats.studentized_range.sf(gaps / scale * np.sqrt(2), models, np.inf)
    # The tail of the studentised range is integrated numerically and may leave [0, 1] by 1e-12.
    frame = pd.DataFrame(np.clip(p, 0, 1), index=means.index, columns=means.index)
    return Nemenyi(means, difference, frame, cliques(means, difference), alpha, n)


def cliques(mean_ranks: pd.Series, critical_difference: float) -> tuple[tuple[str, ...], ...]:
    """Largest runs of two or more models whose mean ranks (sorted, best first) lie within the critical difference."""
    names, values = [str(name) for name in mean_ranks.index], mean_ranks.to_numpy(np.float64)
    found: list[tuple[int, int]] = []
    for first in range(len(values)):
        last = int(np.searchsorted(values, values[first] + critical_difference, side="right")) - 1
        # A run inside a longer one would draw a second bar over the same models.
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(tuple(names[first : last + 1]) for first, last in found)


def rank_stability(
    scores: pd.DataFrame,
    *,
    higher: bool = True,
    trainings: Mapping[str, pd.DataFrame] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RankStability:
    """Resample patients (and trainings) and rank the models by their mean each time; ``scores`` is [patients, models].

    ``trainings`` holds the same models' values [patients, trainings], redrawn per model beside the patients; without it the
    trainings are taken as given, and nothing is said of other ones.

    Raises:
        ValueError: no patient has a value of every model.
    """
    table = complete_cases(scores)
    n, models = table.shape
    if not n:
        raise ValueError("rank_stability needs a patient with a value of every model, got none")
    observed = _row_ranks(table.to_numpy(np.float64).mean(axis=0, keepdims=True), higher)[0]
    means = _resampled_means(table, trainings, resamples, seed)
    drawn = _row_ranks(means, higher)
    # The better of tied ranks: two winners share rank 1, and the rows of shares still sum to 1.
    better = np.asarray(stats.rankdata(-means if higher else means, method="min", axis=1))
    counts = np.stack([(better == rank).mean(axis=0) for rank in range(1, models + 1)], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    columns = table.columns
    return RankStability(
        ranks=pd.Series(observed, index=columns),
        share=pd.DataFrame(counts, index=columns, columns=range(1, models + 1)),
        low=pd.Series(low, index=columns),
        high=pd.Series(high, index=columns),
        tau=_mean_tau(observed, drawn),
        n=n,
    )


def _resampled_means(
    table: pd.DataFrame, trainings: Mapping[str, pd.DataFrame] | None, resamples: int, seed: int
) -> Floats:
    """Mean of every model [resamples, models] over redrawn patients, and over redrawn trainings where they are given."""
    n = len(table)
    weights = resampling_weights(n, resamples, seed)
    if trainings is None:
        plain: Floats = weights @ table.to_numpy(np.float64) / n
        return plain
    columns = [
        crossed_distribution(
            weights @ trainings[label].loc[table.index].to_numpy(np.float64) / n,
            seed=seed,
            offset=1 + position,  # patients are redrawn for all models at once, the trainings of each on their own
        )
        for position, label in enumerate(table.columns)
    ]
    return np.stack(columns, axis=1)


def _row_ranks(values: Floats, higher: bool) -> Floats:
    """Rank within each row, 1 is best, ties share the mean rank: [R, k] -> [R, k]."""
    ranks: Floats = stats.rankdata(-values if higher else values, axis=1)
    return ranks


def _mean_tau(observed: Floats, drawn: Floats) -> float:
    """Mean Kendall's tau-a (ties count as zero) of each row of ``drawn`` [R, k] with ``observed`` [k]."""
    first, second = np.triu_indices(len(observed), k=1)
    if not len(first):
        return float("nan")
    order = np.sign(observed[first] - observed[second])
    # Every pair of models counts alike, ties as zero, so that a model that equals another is no agreement.
    return float(np.mean(np.sign(drawn[:, first] - drawn[:, second]) * order))


AGGREGATIONS = ("mean", "median", "worst decile")


def ranks_by_aggregation(measures: Mapping[str, tuple[pd.DataFrame, bool]]) -> pd.DataFrame:
    """Ranks of the models (columns) under every measure and aggregation (rows): does the order depend on the choice?

    The first measure is aggregated by mean, median and worst decile, every other one by its mean.

    Args:
        measures: per name the values [patients, models], and whether larger is better; incomplete patients are left out.

    Returns:
        Rank 1 is best, ties share the mean rank; the column ``tau`` is Kendall's tau-b with the first row (NaN without spread).
    """
    rows: dict[str, Floats] = {}
    columns: pd.Index | None = None
    for position, (name, (scores, higher)) in enumerate(measures.items()):
        table = complete_cases(scores)
        columns = table.columns if columns is None else columns
        values = table[columns].to_numpy(np.float64)
        for aggregation in AGGREGATIONS if position == 0 else AGGREGATIONS[:1]:
            rows[f"{aggregation} {name}"] = _row_ranks(_aggregated(values, aggregation, higher)[None], higher)[0]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    first = found.iloc[0].to_numpy() if len(found) else np.empty(0)
    return found.assign(tau=[float(stats.kendalltau(first, row).statistic) for row in found.to_numpy(np.float64)])


def _aggregated(values: Floats, aggregation: str, higher: bool) -> Floats:
    if aggregation == "mean":
        return values.mean(axis=0)
    if aggregation == "median":
        return np.asarray(np.median(values, axis=0), dtype=np.float64)
    return np.array([worst_decile(column, higher=higher) for column in values.T])
