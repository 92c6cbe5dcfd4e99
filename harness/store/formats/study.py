"""What a study is, as its archive keeps it: factors and their levels or a numeric space, and the cells made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["grid", "single", "tpe"]
MOOT = "moot"
"""Level of a factor that has no effect in a cell, such as the update rule of a model without memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """One thing that varies.

    Attributes:
        name: key in the config; ``label`` is what tables say.
        levels: name of a level → overrides (``model``, ``models.<model>.<argument>``, ``recipe.<key>``,
            ``protocol.first_frame``); the first level is the reference.
    """

    name: str
    label: str
    levels: dict[str, dict[str, Any]]

    @property
    def reference(self) -> str:
        """The level of the full model: the first one."""
        return next(iter(self.levels))

    @property
    def switch(self) -> bool:
        """Whether it is just on and off: shown as a check mark."""
        return set(self.levels) == {"on", "off"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimension:
    """One parameter of a numeric space: ``sets`` is the override's key, ``options`` the distribution's arguments."""

    name: str
    label: str
    sets: str
    type: Literal["float", "int", "categorical"]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyDefinition:
    """A study as its config states it.

    Attributes:
        name: the config's name.
        kind: ``grid`` (all combinations), ``single`` (one deviation from the reference at a time) or ``tpe``.
        model: name of the model config that is varied.
        seeds: every cell is trained once per seed; seeds are a level of variance, not a factor.
        suite: other options of the base suite (``dataset``, ``size``, ``structures``, ``first_frame``).
        recipes: dataset, or dataset and kind of clip (``camus_ed_es``) → recipe; what is not named uses the dataset's own.
        exclude: conditions (factor → level); cells that meet one are left out.
        moot: ``dict(when=condition, factors=[...])``: where the condition holds these factors have no effect.
        space, budget, sampler, pruner: of a ``tpe`` study.
    """

    name: str
    kind: Kind
    model: str
    seeds: tuple[int, ...]
    suite: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, str] = field(default_factory=dict)
    factors: tuple[Factor, ...] = ()
    exclude: tuple[dict[str, str], ...] = ()
    moot: tuple[dict[str, Any], ...] = ()
    space: tuple[Dimension, ...] = ()
    budget: int = 20
    sampler: dict[str, Any] = field(default_factory=dict)
    pruner: dict[str, Any] = field(default_factory=dict)

    def factor(self, name: str) -> Factor:
        """The factor of this name; KeyError when there is none."""
        return {factor.name: factor for factor in self.factors}[name]

    @property
    def labels(self) -> dict[str, str]:
        """What tables call factors and dimensions, by name."""
        return {one.name: one.label for one in self.factors} | {one.name: one.label for one in self.space}

    def variant_name(self, levels: Mapping[str, str]) -> str:
        """What tables call a cell: ``full``, or its deviations from the reference such as ``no GDR, no KPFF``.

        In a study of a single factor the level's name says it all.
        """
        parts, alone = [], len(self.factors) == 1
        for factor in self.factors:
            level = levels[factor.name]
            if level not in (factor.reference, MOOT):
                parts.append(f"no {factor.label}" if factor.switch else level if alone else f"{factor.label} {level}")
        return ", ".join(parts) or "full"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One variant of a study.

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
