"""A suite's plan: which runs it consists of, resolved completely before the first one starts."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.registry import VISBACKENDS

from harness import config
from harness.clip import STRUCTURE_SETS, structure_names
from harness.data import EchoDataset, PreparedCache
from harness.data.prepared import MANIFEST
from harness.data.transforms import build_transforms
from harness.errors import ConfigError, unknown
from harness.experiments.augment import written_out
from harness.experiments.first_mask import (
    choose_maker,
    protocol_of,
    split_takers,
)
from harness.experiments.identity import complete
from harness.experiments.lengths import check_lengths, fitted
from harness.experiments.models import ModelChoice, build_for, choose_model
from harness.experiments.schemas import SuiteSection, check_build
from harness.experiments.source import check_dataset, clip_kind, dataset_config, open_data, short_name
from harness.modules import name_modules
from harness.profiling.settings import ProfileSettings
from harness.registry import DATASETS, check_types, registered
from harness.results.condition import Condition, condition_of, headline_name
from harness.statistics.margins import Criteria
from harness.store.runs import RunSpec
from harness.training import Recipe
from harness.training.hooks import build_custom_hooks
from harness.training.loaders import augmentation
from harness.training.precision import resolve_device
from harness.training.recipe import OPTIONAL_KEYS, identity_keys
from harness.vocabulary import AUTO_UNET, FIRST_FRAMES


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteOptions:
    """What a user may choose; None means: as the suite's or dataset's config says."""

    suite: str = "small"
    dataset: str | None = None
    root: str | None = None
    views: tuple[str, ...] | None = None
    clip: str | None = None
    allow_partial: bool | None = None
    split_dir: str | None = None
    fold: int | None = None
    models: tuple[str, ...] | None = None
    size: str | None = None
    recipe: str | None = None
    seeds: tuple[int, ...] | None = None
    structures: str | None = None
    first_frame: str | None = None
    name: str | None = None
    overrides: tuple[str, ...] = ()
    limit: int | None = None
    data_root: Path = Path("data")


@dataclass(kw_only=True, slots=True)
class SuitePlan:
    """Every run of a suite, and the prepared data that all of them share.

    Attributes:
        name, reference: of the report, and of the model that the others are compared with.
        condition: what the runs share.
        criteria: primary endpoint and margins.
        cache: the data.
        specs: the runs of the table.
        profile: arguments of ``profile_model``; None leaves profiling out.
        vis_backends: where the trainings send their curves (docs/tracking.md); None is the recipe's default.
        notes: sentences about what was asked for and left out.
    """

    name: str
    reference: str
    condition: Condition
    criteria: Criteria
    cache: PreparedCache
    specs: list[RunSpec]
    profile: dict[str, Any] | None = field(default_factory=dict)
    vis_backends: list[dict[str, Any]] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What options come to before any data is looked at."""

    suite: dict[str, Any]
    choices: list[ModelChoice]
    maker: ModelChoice | None
    notes: list[str]
    data_cfg: dict[str, Any]
    recipe: dict[str, Any]
    tree: dict[str, Any]
    criteria: Criteria


def resolve(options: SuiteOptions) -> Resolved:
    """Names and options, checked and written out.

    Raises:
        ConfigError: one sentence about the first thing that is wrong.
    """
    suite, margins = _suite(options)
    choices = [choose_model(name, suite["size"]) for name in suite["models"]]
    maker: ModelChoice | None = None
    notes: list[str] = []
    if suite["first_frame"] == AUTO_UNET:
        maker = choose_maker(suite["size"])
        choices, notes = split_takers(choices)
    data_cfg = dataset_config(suite["dataset"], _data_options(options, suite))
    named = _recipe(options.recipe, data_cfg, suite["size"]) | suite.get("recipe", {})
    recipe = copy.deepcopy(OPTIONAL_KEYS) | named  # --set refuses keys that are not there
    plain = copy.deepcopy(recipe.get("augment"))
    tree = {
        "recipe": recipe,
        "dataset": data_cfg["dataset"],
        "models": _by_name([*choices, *([maker] if maker else [])]),
        # all settings, so that --set reaches each and refuses what is none
        "profile": {**ProfileSettings().as_dict(), **(suite.get("profile") or {})},
        "endpoint": suite.get("endpoint", Criteria.endpoint),
        "margins": copy.deepcopy(margins),
    }
    if "generate" in data_cfg:
        tree["generate"] = data_cfg["generate"]
    config.override(tree, config.parse_overrides(options.overrides))
    # Checked after the overrides and read from the tree: a section that was replaced as a whole counts as well.
    criteria = _criteria(tree, margins)
    recipe = Recipe.from_dict(tree["recipe"]).to_dict()
    recipe["augment"] = written_out(recipe["augment"], plain, short_name(suite["dataset"]))
    check_recipe(recipe)
    data_cfg = check_dataset({**data_cfg, **{key: tree[key] for key in ("dataset", "generate") if key in tree}})
    choices, maker = _rebuilt(choices, maker, tree["models"])
    ProfileSettings.read(tree["profile"], "the suite's profile")
    return Resolved(
        suite=suite, choices=choices, maker=maker, notes=notes, data_cfg=data_cfg, recipe=recipe, tree=tree,
        criteria=criteria,
    )  # fmt: skip


def plan_suite(options: SuiteOptions, progress: bool = True) -> SuitePlan:
    """Resolve options to specs. Names and options are checked before any data is read or made.

    Raises:
        ConfigError, DataError: one sentence about the first thing that is wrong.
    """
    known = resolve(options)
    suite, data_cfg, recipe = known.suite, known.data_cfg, known.recipe
    if (
        data_cfg["dataset"].get("root") is not None or "generate" in data_cfg
    ):  # without a root open_data says what to give
        structures_of(_asked(options, suite, data_cfg), _stated(data_cfg)[2], short_name(suite["dataset"]), data_cfg)
    cache = open_data(suite["dataset"], data_cfg, recipe["image_size"], options.data_root, progress, options.limit)
    suite["structures"] = structures_of(_asked(options, suite, data_cfg), cache.structures, cache.name, data_cfg)
    _check_masks(suite["structures"], cache)
    told = [f"{item.level.capitalize()}: {item.message}" for item in cache.findings]
    vis_backends = recipe["vis_backends"]
    recipe = fitted(identity_keys({key: recipe[key] for key in known.tree["recipe"]}), cache)
    check_lengths(cache, recipe["clip_length"], Recipe.from_dict(recipe).frames_at_test)
    protocol = protocol_of(suite["first_frame"], suite["structures"], known.maker)
    specs = [_spec(choice, suite, recipe, cache, seed, protocol) for choice in known.choices for seed in suite["seeds"]]
    condition = condition_of(*specs)
    return SuitePlan(
        name=options.name or condition.name,
        condition=condition,
        criteria=known.criteria,
        reference=suite["reference"],
        cache=cache,
        specs=specs,
        profile=_chosen_profile(known.tree["profile"]),
        vis_backends=vis_backends,
        notes=[*known.notes, *told],
    )


def _criteria(tree: dict[str, Any], before: dict[str, Any]) -> Criteria:
    """Primary endpoint and margins; a value from the command line does not keep the reason of the value it replaces."""
    if not isinstance(tree["margins"], dict) or not all(isinstance(item, dict) for item in tree["margins"].values()):
        raise ConfigError("margins must be a section of measures; set one, such as margins.dice.value=0.5.")
    if not isinstance(tree["endpoint"], str):
        raise ConfigError(f"The endpoint must be the name of a measure, got {tree['endpoint']!r}.")
    for name, margin in tree["margins"].items():
        if (
            name in before
            and margin.get("value") != before[name]["value"]
            and margin.get("source") == before[name]["source"]
        ):
            margin["source"] = "set on the command line"
    return Criteria.read(tree)


def _chosen_profile(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a profile that a suite may choose; image size and device are those of each run.

    Raises:
        ConfigError: a setting is invalid; told before the first training, not after it.
    """
    ProfileSettings.from_dict(settings)
    default = ProfileSettings().as_dict()
    for name, why in (("image_size", "recipe.image_size"), ("device", "recipe.device")):
        if settings[name] != default[name]:
            raise ConfigError(f"A profile has the {name} of its run; set {why} instead of profile.{name}.")
    return {key: value for key, value in settings.items() if value != default[key]}


def _by_name(choices: list[ModelChoice]) -> dict[str, dict[str, Any]]:
    """Models by what overrides call them."""
    return {_key(choice, choices): choice.build for choice in choices}


def _key(choice: ModelChoice, choices: list[ModelChoice]) -> str:
    """A model's name; of two files with one name in two folders, folder and name."""
    alone = [other.name for other in choices].count(choice.name) == 1
    return choice.name if alone else f"{choice.folder}/{choice.name}"


def count_runs(options: SuiteOptions) -> int:
    """Number of runs of a suite, those that make first masks included, without opening its data or asking for a device.

    Raises:
        ConfigError: a wrong option.
    """
    suite, _ = _suite(options)
    choices = [choose_model(name, suite["size"]) for name in suite["models"]]
    if suite["first_frame"] != AUTO_UNET:
        return len(choices) * len(suite["seeds"])
    takers, _ = split_takers(choices)
    return (len(takers) + 1) * len(suite["seeds"])


def suite_name(options: SuiteOptions, *, augmented: bool = False) -> str:
    """The name that ``plan_suite`` gives a suite, without opening its data; ``augmented``: trained with perturbations.

    Raises:
        ConfigError: a wrong option. DataError: a prepared root that cannot be opened.
    """
    suite, _ = _suite(options)
    data_cfg = dataset_config(suite["dataset"], _data_options(options, suite))
    chosen, views, there = _stated(data_cfg)
    structures = structures_of(_asked(options, suite, data_cfg), there, short_name(suite["dataset"]), data_cfg)
    return options.name or headline_name(
        short_name(suite["dataset"]),
        views,
        chosen["clip"],
        suite["size"],
        structures=structures,
        first_frame=suite["first_frame"],
        augmented=augmented,
    )


def _suite(options: SuiteOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """The suite's config with the user's choices written in, its protocol checked; and its margins."""
    loaded = copy.deepcopy(config.load("suites", options.suite).to_dict())
    if not isinstance(loaded.get("suite"), dict):
        raise ConfigError(f"The suite config {options.suite} defines no `suite = dict(...)`.")
    suite: dict[str, Any] = loaded["suite"]
    for key in ("dataset", "models", "size", "seeds", "structures", "first_frame"):
        value = getattr(options, key)
        if value is not None:
            suite[key] = list(value) if isinstance(value, tuple) else value
    SuiteSection.read(suite, f"the suite {options.suite}")
    if suite["first_frame"] not in FIRST_FRAMES:
        raise unknown("first-frame protocol", suite["first_frame"], FIRST_FRAMES)
    return suite, {**Criteria().record()["margins"], **loaded.get("margins", {})}


def check_recipe(recipe: dict[str, Any]) -> None:
    """Refuse what a recipe's own types cannot see: a device that is not here, hooks, backends and transforms that are not
    registered or cannot be built.

    Raises:
        ConfigError: one sentence about the first thing that is wrong.
    """
    resolve_device(recipe["device"])
    name_modules(recipe["custom_imports"])
    build_custom_hooks(recipe["custom_hooks"], recipe["custom_imports"])
    for backend in recipe["vis_backends"]:
        check_types(backend)
        if registered(VISBACKENDS, backend["type"]) is None:
            raise unknown("backend", backend["type"], VISBACKENDS.module_dict, "the recipe's vis_backends")
    build_transforms(augmentation(recipe["augment"]))


def _rebuilt(
    choices: list[ModelChoice], maker: ModelChoice | None, builds: Any
) -> tuple[list[ModelChoice], ModelChoice | None]:
    """The models with the builds of the overridden tree, each built once to see that it can be.

    Raises:
        ConfigError: what was overridden is no config of a model, or the model refuses it.
    """
    everyone, rebuilt = [*choices, *([maker] if maker else [])], []
    for choice in everyone:
        name = _key(choice, everyone)
        build = builds.get(name) if isinstance(builds, dict) else builds
        if not isinstance(build, dict) or not isinstance(build.get("type"), str):
            first = next((key for key in choice.build if key != "type"), "type")
            raise ConfigError(
                f"The model '{name}' must be a section of keys with a type, got {build!r}; set one of its arguments, such as "
                f"models.{name}.{first}."
            )
        # How many structures there are, the data say, which are not opened yet: a model that can be built for one is.
        check_build({"num_structures": 1, **build}, f"the model '{name}'")
        rebuilt.append(dataclasses.replace(choice, build=build))
    return rebuilt[: len(choices)], rebuilt[-1] if maker else None


def _stated(data_cfg: dict[str, Any]) -> tuple[dict[str, Any], Sequence[str], tuple[str, ...]]:
    """Options, views and structures of a dataset as its config, its reader or its prepared root state them: no clip is read."""
    chosen = data_cfg["dataset"]
    root = chosen.get("root")
    if root is not None and (Path(root) / MANIFEST).is_file():
        cache = PreparedCache.open(root)
        return cache.manifest["options"], cache.manifest["options"]["views"], cache.structures
    reader: type[EchoDataset] = DATASETS.get(chosen["type"])
    views, there = reader.words_at(root, chosen["views"])
    return chosen, views, there


def _asked(options: SuiteOptions, suite: dict[str, Any], data_cfg: dict[str, Any]) -> str:
    """The structures that were asked for: by the user, else by the dataset's config, else by the suite's."""
    return str(options.structures or data_cfg.get("structures") or suite["structures"])


def structures_of(asked: str, there: tuple[str, ...], dataset: str, data_cfg: dict[str, Any]) -> str:
    """The structures of a run as its protocol names them: a set of ``STRUCTURE_SETS``, or names joined by ``+``.

    Where the dataset's config names structures of its own, ``all`` is whatever its masks distinguish.
    """
    open_set = asked == "all" and "structures" in data_cfg
    names = there if open_set else structure_names(asked.replace(",", "+"))
    if missing := [name for name in names if name not in there]:
        raise ConfigError(
            f"The dataset '{dataset}' has no masks of {', '.join(missing)}; use --structures "
            f"{'lv' if 'lv' in there else 'all'} (it has: {', '.join(there)})."
        )
    # The set's word where there is one: it stands in the identity of runs.
    return next((word for word, members in STRUCTURE_SETS.items() if members == names), "+".join(names))


def _check_masks(structures: str, cache: PreparedCache) -> None:
    """Raise ``ConfigError`` where no mask of the data holds a structure that was asked for: a table of it would be empty."""
    empty = {
        name
        for name in cache.structures
        for item in cache.findings
        if item.message.startswith(f"no mask holds {name}:")
    }
    if missing := [name for name in structure_names(structures) if name in empty]:
        raise ConfigError(
            f"No mask of the dataset '{cache.name}' holds {', '.join(missing)}; leave it out of --structures "
            f"(there are: {', '.join(name for name in cache.structures if name not in empty)})."
        )


def _data_options(options: SuiteOptions, suite: dict[str, Any]) -> dict[str, Any]:
    chosen = {key: getattr(options, key) for key in ("root", "views", "clip", "allow_partial", "split_dir", "fold")}
    return {key: value if value is not None else suite.get("data", {}).get(key) for key, value in chosen.items()}


def _recipe(name: str | None, data_cfg: dict[str, Any], size: str) -> dict[str, Any]:
    """The named recipe, or the data set's for this size; a clip kind may have its own."""
    name = name or config.recipe_for(data_cfg.get("recipes", {}), clip_kind(data_cfg), size)
    if name is None:
        raise ConfigError(f"The dataset's config names no recipe for size '{size}'; choose one with --recipe.")
    content = config.load("recipes", name).to_dict()
    if not isinstance(content.get("recipe"), dict):
        raise ConfigError(f"The recipe config {name} defines no `recipe = dict(...)`.")
    recipe: dict[str, Any] = copy.deepcopy(content["recipe"])
    return recipe


def _spec(
    choice: ModelChoice,
    suite: dict[str, Any],
    recipe: dict[str, Any],
    cache: PreparedCache,
    seed: int,
    protocol: dict[str, Any],
) -> RunSpec:
    model = dataclasses.asdict(choice)
    model["build"] = build_for(model["build"], suite["structures"], suite["first_frame"])
    data = {
        "dataset": short_name(suite["dataset"]),
        "views": cache.manifest["options"]["views"],
        "clip": cache.manifest["options"]["clip"],
        "image_size": recipe["image_size"],
        "fingerprint": cache.fingerprint,
        "mark": cache.mark,
    }
    return complete(RunSpec(model=model, data=data, recipe=recipe, seed=seed, protocol=protocol))
