"""Robust summaries that stand beside the mean, each under its own name; none of them decides anything.

``worst_decile`` is the mean over the worst tenth of the patients: what a clinic meets first. ``profile`` is the share of patients
above each threshold (R. Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.bootstrap import RESAMPLES, Floats, Interval, bootstrap_interval


def worst_decile(values: ArrayLike, *, higher: bool = True, share: float = 0.1) -> float:
    """Mean over the worst ``share`` of patients, at least one; the last one counts with its fraction. NaN are left out.

    >>> worst_decile([0.9, 0.8, 0.2, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    0.2
    """
    sample = np.asarray(values, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        return float("nan")
    return float(_tail_mean(np.ones((1, len(sample))), sample if higher else -sample, share)[0]) * (1 if higher else -1)


def worst_decile_interval(
    values: ArrayLike, *, higher: bool = True, share: float = 0.1, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """``worst_decile`` with its bootstrap interval over patients; with few patients a tail of so few is only a hint."""
    sample = np.asarray(values, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    sign = 1.0 if higher else -1.0
    return bootstrap_interval(
        lambda weights: sign * _tail_mean(weights, sign * sample, share), len(sample), resamples=resamples, seed=seed
    )


def hodges_lehmann(differences: ArrayLike) -> float:
    """Hodges-Lehmann estimate of the shift: median of the Walsh averages of ``differences`` [n]; NaN without any.

    >>> hodges_lehmann([0.0, 1.0, 5.0])
    1.75
    """
    sample = np.asarray(differences, dtype=np.float64)
    if not len(sample):
        return float("nan")
    # With the diagonal: Walsh averages include each value with itself (Hodges and Lehmann, Ann. Math. Stat. 34,
    # 1963).
    rows, columns = np.triu_indices(len(sample))
    return float(np.median((sample[rows] + sample[columns]) / 2))


def profile(values: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Share (0..1) of patients whose value is at least each of the ``thresholds`` [t]; NaN patients are left out.

    >>> profile([0.9, 0.8, 0.5], [0.0, 0.8, 0.95]).round(2).tolist()
    [1.0, 0.67, 0.0]
    """
    sample = np.sort(np.asarray(values, dtype=np.float64))
    sample = sample[np.isfinite(sample)]
    wanted = np.asarray(thresholds, dtype=np.float64)
    if not len(sample):
        return np.full(wanted.shape, np.nan)
    return 1 - np.searchsorted(sample, wanted, side="left") / len(sample)


def _tail_mean(weights: Floats, values: Floats, share: float) -> Floats:
    """Mean of the lowest ``share`` of the weighted ``values`` [n] under each row of ``weights`` [R, n]."""
    order = np.argsort(values)
    ordered, total = weights[:, order], weights.sum(axis=1, keepdims=True)
    quota = np.maximum(share * total, 1.0)  # never less than one patient
    before = np.cumsum(ordered, axis=1) - ordered
    # The last patient of the tail counts with the share that is still free, so the mean does not jump as n grows.
    taken = np.clip(quota - before, 0.0, ordered)
    mean: Floats = (taken @ values[order]) / quota[:, 0]
    return mean
