"""A suite's options, checked and written out before any data are looked at."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

from harness import config
from harness.data.transforms import build_transforms
from harness.errors import ConfigError, unknown
from harness.experiments.augment import written_out
from harness.experiments.first_mask import choose_maker, split_takers
from harness.experiments.models import ModelChoice, choose_model
from harness.experiments.options import SuiteOptions, data_options, recipe_of, suite_of
from harness.experiments.schemas import check_build
from harness.experiments.source import check_dataset, dataset_config, short_name
from harness.files import refuse_path
from harness.modules import name_modules
from harness.profiling.settings import ProfileSettings
from harness.registry import check_types, registered
from harness.statistics.margins import Criteria
from harness.training import Recipe
from harness.training.device import resolve_device
from harness.training.loaders import augmentation
from harness.training.recipe import OPTIONAL_KEYS
from harness.vocabulary import AUTO_UNET


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
    # It becomes a folder below that of the reports, and would be found only after the last training.
    if options.name is not None:
        refuse_path(options.name, "The report's name")
    suite, margins = suite_of(options)
    choices = [choose_model(name, suite["size"]) for name in suite["models"]]
    maker: ModelChoice | None = None
    notes: list[str] = []
    if suite["first_frame"] == AUTO_UNET:
        maker = choose_maker(suite["size"])
        choices, notes = split_takers(choices)
    data_cfg = dataset_config(suite["dataset"], data_options(options, suite))
    named = recipe_of(options.recipe, data_cfg, suite["size"]) | suite.get("recipe", {})
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
    # One tree for everything that --set reaches: a key that is none of them is refused with the nearest name.
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


def _by_name(choices: list[ModelChoice]) -> dict[str, dict[str, Any]]:
    """Models by what overrides call them."""
    return {_key(choice, choices): choice.build for choice in choices}


def _key(choice: ModelChoice, choices: list[ModelChoice]) -> str:
    """A model's name; of two files with one name in two folders, folder and name."""
    alone = [other.name for other in choices].count(choice.name) == 1
    return choice.name if alone else f"{choice.folder}/{choice.name}"


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
    # The maker went along as the last one.
    return rebuilt[: len(choices)], rebuilt[-1] if maker else None


def check_recipe(recipe: dict[str, Any]) -> None:
    """Refuse what a recipe's own types cannot see: a device that is not here, hooks, backends and transforms that are not
    registered or cannot be built.

    Raises:
        ConfigError: one sentence about the first thing that is wrong.
    """
    resolve_device(recipe["device"])
    name_modules(recipe["custom_imports"])
    if any(recipe[key] != usual for key, usual in OPTIONAL_KEYS.items()):
        _check_extensions(recipe)
    build_transforms(augmentation(recipe["augment"]))


def _check_extensions(recipe: dict[str, Any]) -> None:
    # Imported only for a recipe that names some: mmengine's hooks and backends take seconds, and a plan is to be printed at once.
    from harness.training.hooks import build_custom_hooks
    from harness.training.tracking import VISBACKENDS

    build_custom_hooks(recipe["custom_hooks"], recipe["custom_imports"])
    for backend in recipe["vis_backends"]:
        check_types(backend)
        if registered(VISBACKENDS, backend["type"]) is None:
            raise unknown("backend", backend["type"], VISBACKENDS.module_dict, "the recipe's vis_backends")
