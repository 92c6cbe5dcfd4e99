"""Robust summaries that stand beside the mean, each under its own name; none of them decides anything.

``worst_decile`` is the mean over the worst tenth of the patients: what a clinic meets first. ``profile`` is the share of patients
above each threshold (R. Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.bootstrap import Floats


def worst_decile(values: ArrayLike, *, higher: bool = True, share: float = 0.1) -> float:
    """Mean over the worst ``share`` of patients, at least one; the last one counts with its fraction. NaN are left out.

    >>> worst_decile([0.9, 0.8, 0.2, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    0.2
    """
    sample = np.asarray(values, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        return float("nan")
    sign = 1 if higher else -1
    tail = np.sort(sign * sample)
    quota = max(share * len(sample), 1.0)
    # The last patient of the tail counts with the share that is still free, so the mean does not jump as n grows.
    taken = np.clip(quota - np.arange(len(sample)), 0.0, 1.0)
    return sign * float(taken @ tail) / quota


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
