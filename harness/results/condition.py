"""What a condition is: everything but the model and the seed that decides a run's numbers, and the name that a report has.

Only runs of one condition are compared, and a report holds every finished run of its condition. The name says data, views,
kind of clip and size, and what sets the condition apart from the headline one: ``phantom-4ch-half-small-iterations=600``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness import config
from harness.errors import BenchError
from harness.files import canonical_hash
from harness.results.folds import fold_count, pooled_data
from harness.results.labels import flattened, seen_perturbations
from harness.store.runs import Run, RunSpec

_UNSAFE = re.compile(r"[^A-Za-z0-9_.,=+-]")
_LONGEST = 40
"""Characters of differences in a name; more of them are told by a hash, since file names end somewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """A condition.

    Attributes:
        name: of its report.
        key: equal for equal data, recipe, protocol and size.
        differences: ``setting=value`` of what deviates from the headline condition, models' arguments last.
        models: those of ``differences`` that are arguments of a model.
        cases: equal for equal data and protocol, whatever was trained how: what masks made elsewhere share with a condition.
        folds: of a cross-validation, which all of its folds share; 0 for anything else.
    """

    name: str
    key: str
    differences: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    cases: str = ""
    folds: int = 0


def condition_of(*specs: RunSpec, recipe: str | None = None, pooled: bool = False) -> Condition:
    """The condition that runs share; external ones have none of their own beside others.

    Args:
        specs: of the runs; they differ in model and seed alone, those of a cross-validation in the tested fold too.
        recipe: name of the recipe that counts as the headline one; the dataset's for this size and kind of clip by default.
        pooled: take a run for a fold of a cross-validation, also where no other fold is among them.
    """
    specs = tuple(spec for spec in specs if not spec.external) or specs
    spec, folds = specs[0], fold_count(spec.data for spec in specs)
    if pooled and "fold" in spec.data:
        folds = int(spec.data["fold"]["of"])
    if folds:
        spec = replace(spec, data=pooled_data(spec.data))
    data, protocol, size = spec.data, spec.protocol, spec.model["size"]
    # "robust" is a word of the name and no list of settings: sixteen perturbations would fill it.
    augmented = bool(seen_perturbations(spec.recipe))
    name = headline_name(
        data["dataset"],
        data.get("views") or (),
        data.get("clip", ""),
        size,
        structures=protocol.get("structures", "lv"),
        first_frame=protocol.get("first_frame", "auto"),
        augmented=augmented,
    )
    models = tuple(dict.fromkeys(text for each in specs for text in _model_differences(each.model)))
    name += f"-{folds}folds" if folds else ""
    differences = (*_recipe_differences(spec, recipe, augmented), *models)
    if differences:
        text = "-".join(differences)
        # File names end at 255 bytes, and a report's name is the stem of several longer ones.
        name += f"-{text}" if len(text) <= _LONGEST else f"-other-{canonical_hash(list(differences), 6)}"
    # The recipe's words for device and precision give way to what they came to ("auto" is not the same everywhere).
    resolved = {key: value for key, value in spec.recipe.items() if not spec.code or key not in ("device", "precision")}
    content = {"data": data, "recipe": resolved, "protocol": protocol, "size": size}
    content |= {"device": spec.device, "precision": spec.precision} if spec.code else {}
    return Condition(
        name=_UNSAFE.sub("_", name),
        key=canonical_hash(content),
        differences=differences,
        models=models,
        cases=canonical_hash({"data": data, "protocol": protocol}),
        folds=folds,
    )


def finished_runs(runs: Iterable[Run], condition: Condition) -> list[Run]:
    """The finished runs of a condition, by name; of a model with other arguments only where the condition names them.

    Masks made elsewhere belong to every condition that scores the same cases.
    """
    belonging = [r for r in runs if r.status == "finished" and belongs(r.spec, condition)]
    # Of runs that answer the same question, that of today's code and the latest training (or scoring).
    ordered = sorted(
        belonging, key=lambda run: (not run.other_code, run.spec.generation, str(run.record.get("finished") or ""))
    )
    return sorted({run.spec.question: run for run in ordered}.values(), key=lambda run: run.name)


def belongs(spec: RunSpec, condition: Condition) -> bool:
    """Whether a run is of a condition."""
    own = condition_of(spec, pooled=condition.folds > 0)
    if spec.external:
        return own.cases == condition.cases
    # A model with other arguments is another row: it belongs only to a condition that names these arguments.
    return own.key == condition.key and set(own.models) <= set(condition.models)


def headline_name(
    dataset: str,
    views: Iterable[str],
    clip: str,
    size: str,
    *,
    structures: str = "lv",
    first_frame: str = "auto",
    augmented: bool = False,
) -> str:
    """``<dataset>-<views>-<clip>-<size>`` plus what deviates from the headline protocol.

    >>> headline_name("camus", ["2CH", "4CH"], "half", "small", first_frame="gt")
    'camus-2ch+4ch-half-small-gt'
    """
    parts = [dataset, "+".join(views).lower(), clip, size]
    parts += [structures] if structures != "lv" else []
    parts += [first_frame] if first_frame != "auto" else []
    parts += ["robust"] if augmented else []
    return "-".join(part for part in parts if part)


def _recipe_differences(spec: RunSpec, recipe: str | None, augmented: bool) -> tuple[str, ...]:
    """``key=value`` of every setting of the recipe that is not the headline recipe's; the name of a recipe that fits whole."""
    named = _recipes(spec.data["dataset"], spec.data.get("clip", ""), spec.model["size"], recipe)
    if not named:
        return ()
    # Dotted keys, so that one changed value of the optimiser does not show its whole section as different.
    given = flattened(spec.recipe)
    if augmented:  # the name says so already
        given.pop("augment", None)
    stills = spec.data.get("clip") == "ed_es"
    apart = {name: _apart(given, flattened(settings), stills) for name, settings in named.items()}
    headline = next(iter(apart))
    # Another recipe that fits better names the condition; what remains is told as well.
    best = min(apart, key=lambda name: (len(apart[name]), name != headline))
    if best != headline and len(apart[headline]) - len(apart[best]) > 1:
        return (best, *apart[best])
    return apart[headline]


def _apart(given: Mapping[str, Any], settings: Mapping[str, Any], stills: bool) -> tuple[str, ...]:
    keys = [key for key in given if key in settings and not _same(given[key], settings[key])]
    # Two stills are never stretched to a longer clip (``experiments.lengths``); of a sequence, two frames are a choice.
    shortened = {key for key in ("clip_length", "test_clip_length") if stills and given.get(key) == 2}
    chosen = [key for key in keys if key not in shortened]
    return tuple(f"{key.rpartition('.')[2]}={_short(given[key])}" for key in chosen)


def _same(value: Any, other: Any) -> bool:
    """Whether two settings say the same; a record has lists where a config may have tuples."""
    return bool(json.loads(json.dumps(value)) == json.loads(json.dumps(other)))


def _short(value: Any) -> str:
    """A value in a name: lists and the like by a hash of four digits."""
    # Anything longer would put brackets and quotes into a path.
    return str(value) if isinstance(value, (int, float, str, bool, type(None))) else canonical_hash(value, 4)


@functools.lru_cache(maxsize=64)
def _recipes(dataset: str, clip: str, size: str, recipe: str | None) -> dict[str, dict[str, Any]]:
    """Every recipe by name, the headline one first; none where the dataset's config cannot be read."""
    try:
        recipes = config.load("datasets", dataset).to_dict().get("recipes", {})
        headline = recipe or config.recipe_for(recipes, clip, size)
        names = [headline, *(name for name in config.list_configs("recipes") if name != headline)] if headline else []
        return {name: config.load("recipes", name).to_dict()["recipe"] for name in names}
    # A dataset or recipe that was renamed since must not keep its old runs from being listed.
    except BenchError:
        return {}


FILLED_IN = ("num_structures", "learned_start")
"""Arguments of a model that follow from structures and protocol (``experiments.models.build_for``): nobody's choice."""


def _model_differences(model: Mapping[str, Any]) -> tuple[str, ...]:
    """``model.argument=value`` of every argument that the model's config does not have so: ``--set models.…``."""
    settings = _model_settings(model["name"], model["size"])
    if settings is None:
        return ()
    build = model.get("build", {})
    keys = [key for key in build if key not in FILLED_IN and not _same(build[key], settings.get(key))]
    return tuple(f"{model['name']}.{key}={_short(build[key])}" for key in keys)


@functools.lru_cache(maxsize=256)
def _model_settings(name: str, size: str) -> dict[str, Any] | None:
    """A model's arguments by its config; None for a model of the user's own, whose config is not in the tree."""
    try:
        settings: dict[str, Any] = config.load("models", name).to_dict()["sizes"][size]
    # The same for a model whose config has gone.
    except (BenchError, KeyError):
        return None
    return settings
