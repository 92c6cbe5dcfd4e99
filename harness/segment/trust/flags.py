"""Flags: which measures of a clip lie beyond what good results have, and the sentence for each."""

from __future__ import annotations

import math
from collections.abc import Mapping

FLAGS = {
    "missing": "the LV is missing in {:.0%} of the frames",
    "scattered": "{:.1%} of the LV lies outside its largest piece",
    "holes": "{:.1%} of the LV is holes",
    "area": "the LV's area is {:.1f} spreads from the training set's",
    "length": "the LV's length is {:.1f} spreads from the training set's",
    "outside": "apex or base lie at the edge of the sector or outside of it ({:+.0%} of the picture's side)",
    "beats": "EF differs between beats by {:.1f} points (SD)",
    "intensity": "the grey levels are {:.1f} times as far from the training pictures' as is usual among these",
    "mirrored": "the mirrored picture gives another LV (1 - Dice {:.2f})",
    "moved": "the picture moved a little gives another LV (1 - Dice {:.2f})",
}
"""Name of each flag and its sentence, in which the measure stands."""

LIMITS = {
    "missing": 0.05,
    "scattered": 0.02,
    "holes": 0.01,
    "area": 2.5,
    "length": 3.0,
    "outside": 0.0,
    "beats": 8.0,
    "intensity": 6.8,
    "mirrored": 0.46,
    "moved": 0.14,
}
"""A flag is raised above its limit. Those of ``intensity``, ``mirrored`` and ``moved`` are the 95th percentile among clips with a Dice of
0.85 or more (benchmarks/trust.py, docs/segment.md); the others are set by hand, above that percentile."""


def raised(measures: Mapping[str, float]) -> tuple[str, ...]:
    """Names of the flags that a clip's measures raise; a measure that could not be taken raises none.

    >>> raised({"missing": 0.5, "holes": 0.0, "beats": math.nan})
    ('missing',)
    """
    return tuple(name for name in FLAGS if measures.get(name, math.nan) > LIMITS[name])


def sentences(measures: Mapping[str, float]) -> list[str]:
    """What a reader is told of a clip's flags: one sentence for each that is raised, and one on what could not be measured."""
    told = [f"Do not trust ({name}): {FLAGS[name].format(measures[name])}." for name in raised(measures)]
    without = [name for name in ("area", "length", "intensity") if math.isnan(measures.get(name, math.nan))]
    if len(without) == 3:
        told.append("The training data are not at hand (--data-dir): size and grey levels were compared with nothing.")
    return told
