"""The smallest difference that matters, per measure, and where it comes from. A suite's config may set its own.

Geometric measures: a tenth of what separates the same cardiologist from himself seven months later on CAMUS (S. Leclerc et al.,
"Deep learning for segmentation using an open large-scale dataset in 2D echocardiography", IEEE TMI 38, 2019, intra-observer
rows for the LV endocardium at ED: Dice 94.5 %, mean distance 1.4 mm, Hausdorff distance 4.6 mm). A difference of a tenth of it
between two models is one that no reader could see. Ejection fraction: 5 points, the least change that guidelines for serial
echocardiography treat as more than noise.

The CAMUS figures were not yet checked against the paper: check them before a margin decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NSD_TOLERANCE_MM = 2.2
"""Tolerance of the normalised surface Dice: mean distance between two cardiologists' LV contours at ED on CAMUS (same paper)."""

_INTRA = "a tenth of the intra-observer disagreement on CAMUS (Leclerc et al. 2019)"


@dataclass(frozen=True, slots=True)
class Margin:
    """``value`` in the displayed unit of a measure (percent, mm, EF points), and the reason for it."""

    value: float
    source: str


MARGINS: Mapping[str, Margin] = {
    "dice": Margin(0.5, _INTRA),
    "iou": Margin(0.9, "what half a Dice point is in IoU at Dice 93 %: 2 / (2 - D)^2"),
    "hd_mm": Margin(0.5, _INTRA),
    "hd95_mm": Margin(0.5, _INTRA),
    "asd_mm": Margin(0.15, _INTRA),
    "nsd_mm": Margin(1.0, "as many points of surface as half a Dice point is at the size of an LV"),
    "ef_mae": Margin(5.0, "least change of EF that is more than noise in serial echocardiography"),
    "ef_error": Margin(5.0, "least change of EF that is more than noise in serial echocardiography"),
}


def margin_of(metric: str, chosen: Mapping[str, float] | None = None) -> float:
    """Margin of a measure in its displayed unit; ``chosen`` (a suite's own) goes first; 0 where none is stated.

    >>> margin_of("dice"), margin_of("dice", {"dice": 1.0}), margin_of("hd95_px")
    (0.5, 1.0, 0.0)
    """
    if chosen and metric in chosen:
        return float(chosen[metric])
    return MARGINS[metric].value if metric in MARGINS else 0.0
