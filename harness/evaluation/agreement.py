"""The clinical report of a run: how well predicted volumes and EF agree with the reference masks and the dataset.

Differences are prediction − reference, SD has ddof = 1, limits of agreement are bias ± 1.96 SD (Bland and Altman,
Lancet 1986), R² = 1 − Σ(p − r)² / Σ(r − mean r)², which is not the square of Pearson's r. Intervals are those of
``harness.statistics``.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from harness.statistics.agreement import Agreement, agreement
from harness.statistics.bootstrap import Interval, bootstrap_interval

PLAUSIBLE_EF = (0.0, 90.0)
_PREDICTED = re.compile(r"(?P<quantity>ef|edv_ml|esv_ml)_(?P<method>.+)_predicted")
_INTERVALS = ("mae", "rmse", "r", "bias", "sd", "lower_limit", "upper_limit")


def determination(prediction: ArrayLike, reference: ArrayLike) -> float:
    """R² of paired values [n]: 1 − Σ(p − r)² / Σ(r − mean r)²; negative where the mean of the references is nearer.

    NaN for fewer than two finite pairs or references without spread.
    """
    p, r = finite_pairs(prediction, reference)
    spread = float(((r - r.mean()) ** 2).sum()) if len(r) > 1 else 0.0
    return 1.0 - float(((p - r) ** 2).sum()) / spread if spread > 0 else float("nan")


def bland_altman_points(prediction: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (x) and difference prediction − reference (y) of every finite pair."""
    p, r = finite_pairs(prediction, reference)
    return (p + r) / 2, p - r


def finite_pairs(prediction: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both arrays [n] as float64 without the pairs of which one is not finite.

    Raises:
        ValueError: the lengths differ.
    """
    p, r = np.asarray(prediction, np.float64), np.asarray(reference, np.float64)
    if p.ndim != 1 or p.shape != r.shape:
        raise ValueError(f"prediction and reference must be equally long, got {p.shape} and {r.shape}")
    both = np.isfinite(p) & np.isfinite(r)
    return p[both], r[both]


def clinical_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Predicted values beside what they are compared with, from the rows of one run.

    Returns:
        Columns ``patient, quantity, method, against, prediction, reference``: quantity ``ef`` (percent), ``edv_ml``
        or ``esv_ml``; against ``reference`` (same method on the reference masks) or ``stated`` (EF only). A value that
        could not be computed is NaN and stays in the table.
    """
    values = rows[rows["frame"] == -1].pivot_table(
        index="patient", columns="metric", values="value", aggfunc="first", dropna=False
    )
    parts = []
    for column in values:
        found = _PREDICTED.fullmatch(str(column))
        if found is None:
            continue
        quantity, method = found["quantity"], found["method"]
        sources = {"reference": f"{quantity}_{method}_reference"} | (
            {"stated": "ef_stated"} if quantity == "ef" else {}
        )
        for against, name in sources.items():
            if name in values:
                pair = {"prediction": values[column], "reference": values[name]}
                parts.append(pd.DataFrame({**pair, "quantity": quantity, "method": method, "against": against}))
    columns = ["patient", "quantity", "method", "against", "prediction", "reference"]
    return pd.concat(parts).reset_index()[columns] if parts else pd.DataFrame(columns=columns)


def clinical_report(rows: pd.DataFrame, *, resamples: int = 9999, seed: int = 0) -> pd.DataFrame:
    """One line per quantity, method and comparison of one run's rows.

    Returns:
        ``quantity, method, against, n, n_missing``; ``mae, rmse, r, r2, bias, sd, lower_limit, upper_limit``, each with
        ``_low`` and ``_high`` (95 % over patients); ``slope, intercept`` of prediction on reference; ``implausible``:
        patients whose predicted EF lies below 0 or above 90 (they stay in every figure), ``missing``: patients without
        a predicted or reference value.
    """
    lines = []
    for key, pairs in clinical_pairs(rows).groupby(["quantity", "method", "against"], sort=True):
        named = dict(zip(("quantity", "method", "against"), key, strict=True))
        lines.append({**named, **report_line(pairs, ef=named["quantity"] == "ef", resamples=resamples, seed=seed)})
    return pd.DataFrame(lines)


def report_line(pairs: pd.DataFrame, *, ef: bool, resamples: int, seed: int) -> dict[str, object]:
    """The figures of one comparison; ``pairs`` has the columns ``patient, prediction, reference``."""
    p, r = finite_pairs(pairs["prediction"], pairs["reference"])
    found = agreement(p, r, resamples=resamples, seed=seed)
    missing = pairs[~(np.isfinite(pairs["prediction"]) & np.isfinite(pairs["reference"]))]
    odd = pairs[(pairs["prediction"] < PLAUSIBLE_EF[0]) | (pairs["prediction"] > PLAUSIBLE_EF[1])] if ef else pairs[:0]
    line: dict[str, object] = {"n": found.n, "n_missing": len(missing)}
    for name, interval in _intervals(found, p, r, resamples, seed).items():
        line |= {name: interval.point, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return line | {
        "slope": found.slope,
        "intercept": found.intercept,
        "implausible": ", ".join(f"{item.patient} ({item.prediction:.0f} %)" for item in odd.itertuples()),
        "missing": ", ".join(missing["patient"]),
    }


def _intervals(
    found: Agreement, p: NDArray[np.float64], r: NDArray[np.float64], resamples: int, seed: int
) -> dict[str, Interval]:
    def explained(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = (weights @ r) / weights.sum(axis=1)
        spread = weights @ r**2 - weights.sum(axis=1) * mean**2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spread > 1e-9, 1 - (weights @ (p - r) ** 2) / spread, np.nan)

    named = {name: getattr(found, name) for name in _INTERVALS}
    return named | {"r2": bootstrap_interval(explained, len(p), resamples=resamples, seed=seed)}
