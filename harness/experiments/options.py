"""What a user may choose of a suite, and what the configs say where nothing was chosen."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import config
from harness.errors import ConfigError, unknown
from harness.experiments.schemas import SuiteSection
from harness.experiments.source import clip_kind, dataset_config
from harness.statistics.margins import Criteria
from harness.training import Recipe
from harness.vocabulary import FIRST_FRAMES


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
    folds: int | None = None
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


def suite_of(options: SuiteOptions) -> tuple[dict[str, Any], dict[str, Any]]:
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


def data_options(options: SuiteOptions, suite: dict[str, Any]) -> dict[str, Any]:
    """What was chosen of the dataset's own options, else what the suite's config says of them."""
    chosen = {key: getattr(options, key) for key in ("root", "views", "clip", "allow_partial", "split_dir", "fold")}
    return {key: value if value is not None else suite.get("data", {}).get(key) for key, value in chosen.items()}


def dataset_of(options: SuiteOptions) -> tuple[str, dict[str, Any]]:
    """Name and config of the dataset that options choose, the command line's choices and overrides written in.

    Raises:
        ConfigError: a wrong option.
    """
    suite, _ = suite_of(options)
    data_cfg = dataset_config(suite["dataset"], data_options(options, suite))
    own = [text for text in options.overrides if text.startswith("dataset.")]
    config.override(data_cfg, config.parse_overrides(own))
    return str(suite["dataset"]), data_cfg


def recipe_of(name: str | None, data_cfg: dict[str, Any], size: str) -> dict[str, Any]:
    """The named recipe, or the data set's for this size; a clip kind may have its own."""
    name = name or config.recipe_for(data_cfg.get("recipes", {}), clip_kind(data_cfg), size)
    if name is None:
        raise ConfigError(f"The dataset's config names no recipe for size '{size}'; choose one with --recipe.")
    content = config.load("recipes", name).to_dict()
    if not isinstance(content.get("recipe"), dict):
        raise ConfigError(f"The recipe config {name} defines no `recipe = dict(...)`.")
    # Other names are the file's own (a rate that is used twice); these would be passed over without a word.
    if outside := sorted(set(content) & set(Recipe.model_fields)):
        raise ConfigError(
            f"The recipe config {name} has {', '.join(outside)} beside its recipe; write `recipe = dict({outside[0]}=...)`."
        )
    recipe: dict[str, Any] = copy.deepcopy(content["recipe"])
    return recipe
