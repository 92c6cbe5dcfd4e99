"""A suite's plan: which runs it consists of, resolved completely before the first one starts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from harness.data import PreparedCache
from harness.errors import ConfigError
from harness.experiments.first_mask import protocol_of, split_takers
from harness.experiments.identity import complete
from harness.experiments.lengths import check_lengths, fitted
from harness.experiments.models import ModelChoice, build_for, choose_model
from harness.experiments.options import SuiteOptions, data_options, suite_of
from harness.experiments.resolve import resolve
from harness.experiments.source import dataset_config, open_data, short_name
from harness.experiments.structures import asked_structures, check_masks, stated, structures_of
from harness.profiling.settings import ProfileSettings
from harness.results.condition import Condition, condition_of, headline_name
from harness.statistics.margins import Criteria
from harness.store.runs import RunSpec
from harness.training import Recipe
from harness.training.recipe import identity_keys
from harness.vocabulary import AUTO_UNET


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


def plan_suite(options: SuiteOptions, progress: bool = True) -> SuitePlan:
    """Resolve options to specs. Names and options are checked before any data is read or made.

    Raises:
        ConfigError, DataError: one sentence about the first thing that is wrong.
    """
    known = resolve(options)
    suite, data_cfg, recipe = known.suite, known.data_cfg, known.recipe
    # Before the data are read, where the config says enough; without a root `open_data` says what to give.
    if data_cfg["dataset"].get("root") is not None or "generate" in data_cfg:
        structures_of(
            asked_structures(options, suite, data_cfg), stated(data_cfg)[2], short_name(suite["dataset"]), data_cfg
        )
    cache = open_data(suite["dataset"], data_cfg, recipe["image_size"], options.data_root, progress, options.limit)
    suite["structures"] = structures_of(
        asked_structures(options, suite, data_cfg), cache.structures, cache.name, data_cfg
    )
    check_masks(suite["structures"], cache)
    told = [f"{item.level.capitalize()}: {item.message}" for item in cache.findings]
    # Taken out before the identity: where curves are shown changes no weight.
    vis_backends = recipe["vis_backends"]
    recipe = fitted(identity_keys({key: recipe[key] for key in known.tree["recipe"]}), cache)
    check_lengths(cache, recipe["clip_length"], Recipe.from_dict(recipe).frames_at_test)
    protocol = protocol_of(suite["first_frame"], suite["structures"], known.maker)
    # Model by model, so that a table is complete for the first models while the last are trained.
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


def count_runs(options: SuiteOptions) -> int:
    """Number of runs of a suite, those that make first masks included, without opening its data or asking for a device.

    Raises:
        ConfigError: a wrong option.
    """
    if options.folds:
        raise ConfigError(
            "A cross-validation is not counted by runs; send one job per fold, with --fold instead of --folds."
        )
    suite, _ = suite_of(options)
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
    suite, _ = suite_of(options)
    data_cfg = dataset_config(suite["dataset"], data_options(options, suite))
    chosen, views, there = stated(data_cfg)
    structures = structures_of(
        asked_structures(options, suite, data_cfg), there, short_name(suite["dataset"]), data_cfg
    )
    return options.name or headline_name(
        short_name(suite["dataset"]),
        views,
        chosen["clip"],
        suite["size"],
        structures=structures,
        first_frame=suite["first_frame"],
        augmented=augmented,
    )


def _chosen_profile(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a profile that a suite may choose; image size and device are those of each run.

    Raises:
        ConfigError: a setting is invalid; told before the first training, not after it.
    """
    ProfileSettings.from_dict(settings)
    # Only what differs is kept, so that the same wish reads the same whichever defaults are written out.
    default = ProfileSettings().as_dict()
    for name, why in (("image_size", "recipe.image_size"), ("device", "recipe.device")):
        if settings[name] != default[name]:
            raise ConfigError(f"A profile has the {name} of its run; set {why} instead of profile.{name}.")
    return {key: value for key, value in settings.items() if value != default[key]}


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
    if "fold" in cache.manifest["options"]:
        data["fold"] = dict(cache.manifest["options"]["fold"])
    # Last: the hash of the code needs the model's class, which is registered by now.
    return complete(RunSpec(model=model, data=data, recipe=recipe, seed=seed, protocol=protocol))
