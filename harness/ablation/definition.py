"""What a study is: factors and their levels (or a numeric space), read from a config and checked completely."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness import config
from harness.errors import ConfigError, unknown

Kind = Literal["grid", "single", "tpe"]
KINDS = ("grid", "single", "tpe")
_KEYS = {
    "kind",
    "model",
    "seeds",
    "recipes",
    "suite",
    "factors",
    "exclude",
    "moot",
    "space",
    "budget",
    "sampler",
    "pruner",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """One thing that varies.

    Attributes:
        name: key in the config; ``label`` is what tables say.
        levels: name of a level → overrides (``models.<model>.<argument>``, ``recipe.<key>``,
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
        recipes: dataset → recipe; a dataset that is not named uses its own.
        exclude: conditions (factor → level); cells that meet one are left out.
        moot: ``dict(when=condition, factors=[...])``: where the condition holds these factors mean nothing.
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


def load_study(name: str) -> StudyDefinition:
    """Read ``configs/studies/<name>.py``, or any config file when ``name`` is a path that ends in ``.py``.

    Raises:
        ConfigError: unknown name, key, factor or level, or a study without anything that varies.
    """
    content = config.load("studies", name).to_dict()
    if "study" not in content:
        raise ConfigError(f"The study config {name} defines no `study = dict(...)`.")
    return study_from_dict(Path(name).stem, content["study"])


def study_from_dict(name: str, raw: dict[str, Any]) -> StudyDefinition:
    """Check the content of a study's config; see ``load_study``."""
    where = f"the study '{name}'"
    for key in raw:
        if key not in _KEYS:
            raise unknown("key", key, _KEYS, where)
    kind = raw.get("kind", "grid")
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS, where)
    study = StudyDefinition(
        name=name,
        kind=kind,
        model=raw.get("model", "gdkvm"),
        seeds=tuple(raw.get("seeds", (0,))),
        suite=dict(raw.get("suite", {})),
        recipes=dict(raw.get("recipes", {})),
        factors=tuple(_factor(key, value, where) for key, value in raw.get("factors", {}).items()),
        exclude=tuple(dict(condition) for condition in raw.get("exclude", ())),
        moot=tuple(dict(rule) for rule in raw.get("moot", ())),
        space=tuple(_dimension(key, value, where) for key, value in raw.get("space", {}).items()),
        budget=int(raw.get("budget", 20)),
        sampler=dict(raw.get("sampler", {})),
        pruner=dict(raw.get("pruner", {})),
    )
    _check(study, where)
    return study


def _factor(name: str, raw: dict[str, Any], where: str) -> Factor:
    levels = {str(level): dict(overrides) for level, overrides in raw.get("levels", {}).items()}
    if len(levels) < 2:
        raise ConfigError(f"The factor '{name}' of {where} needs at least two levels, got {len(levels)}.")
    return Factor(name=name, label=raw.get("label", name), levels=levels)


def _dimension(name: str, raw: dict[str, Any], where: str) -> Dimension:
    options = {key: value for key, value in raw.items() if key not in ("label", "sets", "type")}
    kind = raw.get("type")
    if kind not in ("float", "int", "categorical"):
        raise unknown("type", str(kind), ("float", "int", "categorical"), f"dimension '{name}' of {where}")
    if "sets" not in raw:
        raise ConfigError(f"The dimension '{name}' of {where} does not say what it sets (sets='recipe.optimizer.lr').")
    return Dimension(name=name, label=raw.get("label", name), sets=raw["sets"], type=kind, options=options)


def _check(study: StudyDefinition, where: str) -> None:
    if study.kind == "tpe" and not study.space:
        raise ConfigError(f"{where.capitalize()} is of kind tpe and needs a `space`.")
    if study.kind != "tpe" and not study.factors:
        raise ConfigError(f"{where.capitalize()} is of kind {study.kind} and needs `factors`.")
    if not study.seeds or len(set(study.seeds)) < len(study.seeds):
        raise ConfigError(f"{where.capitalize()} needs seeds, each named once; got {list(study.seeds)}.")
    for condition in (*study.exclude, *(rule.get("when", {}) for rule in study.moot)):
        for factor, level in condition.items():
            _known(study, factor, where)
            if level not in study.factor(factor).levels:
                raise unknown("level", str(level), study.factor(factor).levels, f"factor '{factor}' of {where}")
    for rule in study.moot:
        for factor in rule.get("factors", ()):
            _known(study, factor, where)


def _known(study: StudyDefinition, factor: str, where: str) -> None:
    names = [one.name for one in study.factors]
    if factor not in names:
        raise unknown("factor", factor, names, where)
