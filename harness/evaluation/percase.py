"""The per-case metrics that the registry offers; plain functions, so that worker processes need no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.overlap import empty_status, overlap_metrics, rowwise_dice
from harness.evaluation.surface import Spacing, surface_metrics


def overlap(prediction: ArrayLike, reference: ArrayLike, spacing: Spacing) -> dict[str, float]:
    """``dice``, ``iou``, ``precision``, ``recall``."""
    return overlap_metrics(prediction, reference)


def surface(prediction: ArrayLike, reference: ArrayLike, spacing: Spacing) -> dict[str, float]:
    """``hd_{unit}``, ``hd95_{unit}``, ``asd_{unit}``, ``nsd_{unit}`` (at 2.2 mm; where no spacing is known at 2.2 pixels)."""
    return {f"{name}_{{unit}}": value for name, value in surface_metrics(prediction, reference, spacing).items()}


def hd95_pooled(prediction: ArrayLike, reference: ArrayLike, spacing: Spacing) -> dict[str, float]:
    """``hd95_pooled_{unit}``: percentile of the pooled distances, for comparison with other tables only."""
    values = surface_metrics(prediction, reference, spacing, pooled=True)
    return {"hd95_pooled_{unit}": values["hd95_pooled"]}


def dice_rowwise(prediction: ArrayLike, reference: ArrayLike, spacing: Spacing) -> dict[str, float]:
    """``dice_rowwise``: Dice averaged over image rows, for comparison with other tables only."""
    return {"dice_rowwise": rowwise_dice(prediction, reference)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One structure on one frame, to be scored.

    Attributes:
        key: columns of the row that say which case this is.
        prediction, reference: bool [H, W].
        spacing_mm: (row, column), or None where the dataset states none (distances are then in pixels).
    """

    key: dict[str, Any]
    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    spacing_mm: Spacing | None


def score(pair: Pair, functions: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Rows (``key`` + ``metric``, ``value``) of one pair: every metric of every function, then ``empty``."""
    # The unit stands in the name: millimetres and pixels can then never be averaged.
    unit = "px" if pair.spacing_mm is None else "mm"
    spacing = pair.spacing_mm or (1.0, 1.0)
    values: dict[str, float] = {}
    for function in functions:
        values |= function(pair.prediction, pair.reference, spacing)
    # A missing structure is counted in a row of its own, whatever the metrics make of it.
    values["empty"] = float(empty_status(pair.prediction, pair.reference))
    return [{**pair.key, "metric": name.replace("{unit}", unit), "value": value} for name, value in values.items()]
