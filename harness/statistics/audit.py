"""Consistency checks that any table of aggregate results must pass, ours or a published one.

The checks are arithmetic on printed figures: they say which figures cannot stand together, not why.

- Mean IoU: IoU = f(D) = D / (2 - D) per case and f is convex, so mean IoU >= f(mean Dice) (Jensen) and <= mean Dice. The excess
  over the lower bound implies a spread of Dice between cases of about sqrt(2 * excess / f''(D)), f''(D) = 4 / (2 - D)^3.
- Surface distances: ASD <= HD and HD95 <= HD, per case and so in the mean.
- Agreement: limits = bias -/+ 1.96 SD; slope = r * SD(prediction) / SD(truth); for spreads alike, SD of the difference =
  SD * sqrt(2 (1 - r)), which gives the spread of EF that a printed r and SD imply.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.agreement import LIMITS_FACTOR

PLAUSIBLE_DICE_SD = 0.10
"""Spread of Dice between cases (10 points) above which a pair of means is called high: LV segmentation shows 2 to 7."""
PLAUSIBLE_EF_SD = 20.0
"""Spread of EF between patients (points) above which it is called high: even 20..75 drawn evenly has 15.9."""

Verdict = Literal["ok", "violated", "high"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of an audit: ``value`` must stand in ``relation`` to ``bound``; ``comment`` says what follows from it."""

    subject: str
    name: str
    value: float
    relation: Literal["<=", ">=", "="]
    bound: float
    verdict: Verdict
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A printed figure and half a unit of its last digit, by which it may be off."""

    value: float
    slack: float = 0.0


Figures = Mapping[str, Figure]


def iou_lower_bound(dice: float) -> float:
    """The least mean IoU at a mean Dice (both in 0..1): D / (2 - D)."""
    return dice / (2 - dice)


def implied_dice_sd(dice: float, iou: float) -> float:
    """Standard deviation of Dice between cases that a mean Dice and a mean IoU imply, to second order; 0 at the bound.

    Below the bound no spread explains the pair: NaN.
    """
    # E f(D) - f(E D) = f''(E D) var(D) / 2 to second order, with f'' = 4 / (2 - D)^3.
    excess = iou - iou_lower_bound(dice)
    if excess < 0:
        return math.nan
    return math.sqrt(2 * excess * (2 - dice) ** 3 / 4)


def audit_row(subject: str, figures: Figures) -> list[Check]:
    """All checks that the figures of one row allow.

    Known keys: ``dice`` and ``iou`` in 0..1; ``hd``, ``hd95``, ``asd`` in one unit; ``r``, ``bias``, ``sd``, ``lower_limit``,
    ``upper_limit``, ``slope``, ``sd_predicted``, ``sd_truth`` of EF in points; ``X``, ``X_low``, ``X_high`` of any interval.
    """
    checks = (*_overlap(subject, figures), *_distances(subject, figures), *_agreement(subject, figures))
    return [*checks, *_intervals(subject, figures)]


def audit_pairs(subject: str, predicted: ArrayLike, truth: ArrayLike, printed: Figures) -> list[Check]:
    """Recompute ``r``, ``bias`` and ``sd`` (ddof = 1) from EF pairs [n] in points and hold them against printed ones."""
    p, t = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    recomputed = {
        "r": float(np.corrcoef(p, t)[0, 1]),
        "bias": float(np.mean(p - t)),
        "sd": float(np.std(p - t, ddof=1)),
    }
    return [
        _equal(subject, f"{key} of the pairs", recomputed[key], printed[key], f"recomputed from {len(p)} pairs")
        for key in recomputed
        if key in printed
    ]


def _overlap(subject: str, figures: Figures) -> Iterator[Check]:
    if not {"dice", "iou"} <= figures.keys():
        return
    dice, iou = figures["dice"], figures["iou"]
    # f'(D) = 2 / (2 - D)^2 is at most 2: half a digit of Dice moves the bound by that at most.
    slack = iou.slack + 2 * dice.slack
    bound = iou_lower_bound(dice.value)
    yield _at_least(subject, "IoU >= D/(2-D)", iou.value, bound, slack)
    yield _at_most(subject, "IoU <= Dice", iou.value, dice.value, slack)
    spread = implied_dice_sd(dice.value, max(iou.value, bound))
    # Called high only where even the rounding that is kindest to the authors does not explain it.
    least = implied_dice_sd(dice.value, max(iou.value - slack, bound))
    yield Check(
        subject,
        "implied SD of Dice between cases",
        spread,
        "<=",
        PLAUSIBLE_DICE_SD,
        "high" if least > PLAUSIBLE_DICE_SD else "ok",
        f"IoU exceeds its bound by {100 * (iou.value - bound):.1f} points",
    )


def _distances(subject: str, figures: Figures) -> Iterator[Check]:
    for small in ("asd", "hd95"):
        if {small, "hd"} <= figures.keys():
            slack = figures[small].slack + figures["hd"].slack
            yield _at_most(subject, f"{small.upper()} <= HD", figures[small].value, figures["hd"].value, slack)


def _agreement(subject: str, figures: Figures) -> Iterator[Check]:
    if {"bias", "sd"} <= figures.keys():
        for key, sign in (("lower_limit", -1), ("upper_limit", 1)):
            if key in figures:
                expected = figures["bias"].value + sign * LIMITS_FACTOR * figures["sd"].value
                slack = figures["bias"].slack + LIMITS_FACTOR * figures["sd"].slack
                yield _equal(subject, f"{key.replace('_', ' ')} = bias -/+ 1.96 SD", expected, figures[key], "", slack)
    if {"r", "slope", "sd_predicted", "sd_truth"} <= figures.keys():
        # Least squares: slope = cov / var(truth) = r SD(prediction) / SD(truth).
        expected = figures["r"].value * figures["sd_predicted"].value / figures["sd_truth"].value
        yield _equal(
            subject, "slope = r SD(prediction)/SD(truth)", expected, figures["slope"], "", 0.01 * abs(expected)
        )
    if {"r", "sd"} <= figures.keys() and abs(figures["r"].value) < 1:
        # var(p - t) = 2 sigma^2 (1 - r) for two spreads of sigma.
        spread = figures["sd"].value / math.sqrt(2 * (1 - figures["r"].value))
        verdict: Verdict = "high" if spread > PLAUSIBLE_EF_SD else "ok"
        comment = "if prediction and truth spread alike"
        yield Check(subject, "implied SD of EF between patients", spread, "<=", PLAUSIBLE_EF_SD, verdict, comment)


def _intervals(subject: str, figures: Figures) -> Iterator[Check]:
    for key, figure in figures.items():
        low, high = figures.get(f"{key}_low"), figures.get(f"{key}_high")
        if low is not None:
            yield _at_most(subject, f"lower limit of {key} <= {key}", low.value, figure.value, low.slack + figure.slack)
        if high is not None:
            yield _at_least(
                subject, f"upper limit of {key} >= {key}", high.value, figure.value, high.slack + figure.slack
            )


def _at_least(subject: str, name: str, value: float, bound: float, slack: float) -> Check:
    return Check(subject, name, value, ">=", bound, "ok" if value >= bound - slack - 1e-9 else "violated")


def _at_most(subject: str, name: str, value: float, bound: float, slack: float) -> Check:
    return Check(subject, name, value, "<=", bound, "ok" if value <= bound + slack + 1e-9 else "violated")


def _equal(subject: str, name: str, expected: float, printed: Figure, comment: str = "", slack: float = 0.0) -> Check:
    agrees = abs(expected - printed.value) <= printed.slack + slack + 1e-9
    return Check(subject, name, printed.value, "=", expected, "ok" if agrees else "violated", comment)
