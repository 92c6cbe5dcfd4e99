"""From a study's factors to its cells: the variants that are trained, each with all seeds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError
from harness.experiments.study.definition import StudyDefinition
from harness.statistics.matching import MOOT, Levels


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One variant.

    Attributes:
        levels: factor → level, ``MOOT`` where the factor means nothing.
        overrides: what the levels set, dotted; those of the reference levels included.
    """

    levels: dict[str, str]
    overrides: dict[str, Any]

    @property
    def key(self) -> str:
        """``lkva=on,gdr=off``: unique within a study."""
        return ",".join(f"{factor}={level}" for factor, level in self.levels.items())


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
        found.setdefault(cell.key, cell)
    reference = _cell(study, {factor.name: factor.reference for factor in study.factors})
    if reference.key not in found:
        raise ConfigError(f"The study '{study.name}' excludes its own reference ({reference.key}).")
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
    moot = {factor for rule in study.moot if _meets(levels, rule["when"]) for factor in rule["factors"]}
    shown = {factor: MOOT if factor in moot else level for factor, level in levels.items()}
    overrides: dict[str, Any] = {}
    for factor, level in shown.items():
        if level != MOOT:
            overrides |= study.factor(factor).levels[level]
    return Cell(levels=shown, overrides=overrides)


def _meets(levels: Levels, condition: Levels) -> bool:
    return all(levels[factor] == level for factor, level in condition.items())


def variant_name(study: StudyDefinition, levels: Levels) -> str:
    """What tables call a cell: ``full``, or its deviations from the reference such as ``no GDR, no KPFF``.

    In a study of a single factor the level's name says it all.
    """
    parts, alone = [], len(study.factors) == 1
    for factor in study.factors:
        level = levels[factor.name]
        if level not in (factor.reference, MOOT):
            parts.append(f"no {factor.label}" if factor.switch else level if alone else f"{factor.label} {level}")
    return ", ".join(parts) or "full"
