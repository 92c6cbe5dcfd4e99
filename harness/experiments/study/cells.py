"""From a study's factors to its cells: the variants that are trained, each with all seeds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from harness.errors import ConfigError
from harness.statistics.matching import Levels
from harness.store.formats.study import MOOT, Cell, StudyDefinition


def study_cells(study: StudyDefinition) -> list[Cell]:
    """The cells of a study in order, the full model first; excluded and repeated ones are left out.

    Raises:
        ConfigError: nothing is left, or the reference itself is excluded.
    """
    found: dict[str, Cell] = {}
    for levels in _combinations(study):
        if any(_meets(levels, condition) for condition in study.exclude):
            continue
        cell = _cell(study, levels)
        # With moot factors several combinations are one and the same variant; it is trained once.
        found.setdefault(cell.key, cell)
    reference = _cell(study, {factor.name: factor.reference for factor in study.factors})
    if reference.key not in found:
        raise ConfigError(f"The study '{study.name}' excludes its own reference ({reference.key}).")
    # The full model first: a study that is stopped early has at least what everything is compared with.
    return [found.pop(reference.key), *found.values()]


def _combinations(study: StudyDefinition) -> Iterator[dict[str, str]]:
    names = [factor.name for factor in study.factors]
    if study.kind == "grid":
        for levels in itertools.product(*(factor.levels for factor in study.factors)):
            yield dict(zip(names, levels, strict=True))
        return
    reference = {factor.name: factor.reference for factor in study.factors}
    yield reference
    for factor in study.factors:
        for level in list(factor.levels)[1:]:
            yield {**reference, factor.name: level}


def _cell(study: StudyDefinition, levels: Levels) -> Cell:
    # A setting of a part that is switched off decides nothing, so it must not tell two variants apart.
    moot = {factor for rule in study.moot if _meets(levels, rule["when"]) for factor in rule["factors"]}
    shown = {factor: MOOT if factor in moot else level for factor, level in levels.items()}
    overrides: dict[str, Any] = {}
    for factor, level in shown.items():
        if level != MOOT:
            overrides |= study.factor(factor).levels[level]
    return Cell(levels=shown, overrides=overrides)


def _meets(levels: Levels, condition: Levels) -> bool:
    return all(levels[factor] == level for factor, level in condition.items())
