"""Reading a study's config and checking it completely; every mistake is one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness import config
from harness.errors import ConfigError, unknown
from harness.store.formats.study import Dimension, Factor, Kind, StudyDefinition

_SUITE_KEYS = ("dataset", "size", "structures", "first_frame")
_DISTRIBUTIONS: dict[str, Any] = {
    "float": FloatDistribution,
    "int": IntDistribution,
    "categorical": CategoricalDistribution,
}
_KINDS_OF_VALUES: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "model": str,
    "seeds": (list, tuple),
    "recipes": dict,
    "suite": dict,
    "factors": dict,
    "exclude": (list, tuple),
    "moot": (list, tuple),
    "space": dict,
    "budget": int,
    "sampler": dict,
    "pruner": dict,
}
_WORDS = {str: "a text", dict: "a dict", int: "a whole number", (list, tuple): "a list"}


def load_study(name: str) -> StudyDefinition:
    """Read ``configs/studies/<name>.py``, or any config file when ``name`` is a path that ends in ``.py``.

    Raises:
        ConfigError: unknown name, key, factor or level, or a study without anything that varies.
    """
    content = config.load("studies", name).to_dict()
    if not isinstance(content.get("study"), dict):
        raise ConfigError(f"The study config {name} defines no `study = dict(...)`.")
    return study_from_dict(Path(name).stem, content["study"])


def study_from_dict(name: str, raw: dict[str, Any]) -> StudyDefinition:
    """Check the content of a study's config; see ``load_study``."""
    where = f"the study '{name}'"
    _check_types(raw, where)
    kind = raw.get("kind", "grid")
    if kind not in get_args(Kind):
        raise unknown("kind", kind, get_args(Kind), where)
    _only(raw.get("suite", {}), _SUITE_KEYS, f"`suite` of {where}")
    for rule in raw.get("moot", ()):
        _only(rule, ("when", "factors"), f"`moot` of {where}")
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
        budget=raw.get("budget", 20),
        sampler=dict(raw.get("sampler", {})),
        pruner=dict(raw.get("pruner", {})),
    )
    _check(study, where)
    return study


def _check_types(raw: dict[str, Any], where: str) -> None:
    for key, value in raw.items():
        if key not in _KINDS_OF_VALUES:
            raise unknown("key", key, _KINDS_OF_VALUES, where)
        wanted = _KINDS_OF_VALUES[key]
        # `True` is an int in Python, but no budget.
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ConfigError(f"`{key}` of {where} must be {_WORDS[wanted]}, got {value!r}.")
    for key in ("exclude", "moot"):
        for entry in raw.get(key, ()):
            if not isinstance(entry, dict):
                raise ConfigError(f"`{key}` of {where} must be a list of dicts, it holds {entry!r}.")
    for key in ("sampler", "pruner"):
        if raw.get(key) and "type" not in raw[key]:
            raise ConfigError(f"`{key}` of {where} must name its type, e.g. type='TPESampler'.")


def _only(given: dict[str, Any], known: Iterable[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise unknown("key", str(key), known, where)


def _factor(name: str, raw: Any, where: str) -> Factor:
    here = f"the factor '{name}' of {where}"
    if not isinstance(raw, dict) or not isinstance(raw.get("levels"), dict):
        raise ConfigError(f"{_capital(here)} must be dict(label=..., levels=dict(level=dict(...), ...)), got {raw!r}.")
    _only(raw, ("label", "levels"), here)
    for level, overrides in raw["levels"].items():
        if not isinstance(overrides, dict):
            raise ConfigError(f"The level '{level}' of {here} must be a dict of overrides, got {overrides!r}.")
    # As text: levels become parts of keys and file names, and YAML or Python may give numbers.
    levels = {str(level): dict(overrides) for level, overrides in raw["levels"].items()}
    if len(levels) < 2:
        raise ConfigError(f"{_capital(here)} needs at least two levels, got {len(levels)}.")
    return Factor(name=name, label=raw.get("label", name), levels=levels)


def _dimension(name: str, raw: Any, where: str) -> Dimension:
    here = f"the dimension '{name}' of {where}"
    if not isinstance(raw, dict):
        raise ConfigError(f"{_capital(here)} must be dict(sets=..., type=..., ...), got {raw!r}.")
    options = {key: value for key, value in raw.items() if key not in ("label", "sets", "type")}
    kind = raw.get("type")
    if kind not in _DISTRIBUTIONS:
        raise unknown("type", str(kind), _DISTRIBUTIONS, here)
    if "sets" not in raw:
        raise ConfigError(f"{_capital(here)} does not say what it sets (sets='recipe.optimizer.lr').")
    try:
        # Built for its complaints only: Optuna knows which ranges and steps make sense.
        _DISTRIBUTIONS[kind](**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{_capital(here)} is no {kind} dimension: {str(error).rstrip('.')}.") from error
    return Dimension(name=name, label=raw.get("label", name), sets=raw["sets"], type=kind, options=options)


def _check(study: StudyDefinition, where: str) -> None:
    if study.kind == "tpe" and not study.space:
        raise ConfigError(f"{_capital(where)} is of kind tpe and needs a `space`.")
    if study.kind != "tpe" and not study.factors:
        raise ConfigError(f"{_capital(where)} is of kind {study.kind} and needs `factors`.")
    # Negative numbers are no seeds for numpy, and would only be refused after the data had been prepared.
    whole = all(isinstance(seed, int) and seed >= 0 for seed in study.seeds)
    if not study.seeds or not whole or len(set(study.seeds)) < len(study.seeds):
        raise ConfigError(f"{_capital(where)} needs seeds, whole numbers, each named once; got {list(study.seeds)}.")
    for group in (study.factors, study.space):
        # Whatever their case: file systems and readers do not tell KPFF and kpff apart.
        labels = [one.label.lower() for one in group]
        for label in labels:
            if labels.count(label) > 1:
                raise ConfigError(
                    f"{_capital(where)} uses the label '{label}' twice; tables could not tell them apart."
                )
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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
