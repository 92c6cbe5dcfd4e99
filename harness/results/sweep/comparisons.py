"""Paired comparisons of models under perturbation: at equal severity, and on the mean over all conditions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.results.sweep.patients import Readout
from harness.results.sweep.readouts import at, mean_of
from harness.results.sweep.results import SweepResults
from harness.statistics.paired import Comparison, compare, hodges_lehmann, holm, signed_rank_p


def overall(results: SweepResults, readout: Readout) -> list[Comparison]:
    """The reference against every other arm on each patient's mean over all conditions; Holm over these arms."""
    means = {arm.label: mean_of(arm.values(readout), results.perturbations, results.severities) for arm in results.arms}
    reference = means.pop(results.reference)
    return compare(results.reference, means, reference, margin=readout.margin, higher=readout.higher)


def by_condition(results: SweepResults, readout: Readout) -> pd.DataFrame:
    """The reference against every other arm under each single condition, on the same patients.

    One family of Holm's correction is one severity: all perturbations and all other arms at it.

    Returns:
        Columns ``severity, perturbation, other, n, shift, low, high, p, p_adjusted``: the Hodges-Lehmann difference
        reference minus other with its 95 % interval, and the two-sided signed-rank p (Pratt).
    """
    own = results.arm(results.reference).values(readout)
    others = {arm.label: arm.values(readout) for arm in results.arms if arm.label != results.reference}
    rows = [
        {"severity": severity, "perturbation": name, "other": label}
        | _paired(at(own, name, severity), at(wide, name, severity))
        for severity in results.severities
        for name in results.perturbations
        for label, wide in others.items()
    ]
    table = pd.DataFrame(rows)
    if len(table):
        table["p_adjusted"] = table.groupby("severity")["p"].transform(holm)
    return table


def _paired(reference: pd.Series, other: pd.Series) -> dict[str, float]:
    pairs = pd.concat([reference, other], axis=1, join="inner").dropna().to_numpy(float)
    difference = pairs[:, 0] - pairs[:, 1] if len(pairs) else np.empty(0)
    shift, low, high = hodges_lehmann(difference)
    return {"n": len(difference), "shift": shift, "low": low, "high": high, "p": signed_rank_p(difference)}
