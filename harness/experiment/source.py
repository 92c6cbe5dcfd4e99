"""Opening the data of a suite: a dataset config, checked, generated where it can be, and prepared."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from typing import Any

from harness import config
from harness.data import EchoDataset, PreparedCache, prepare
from harness.errors import ConfigError, unknown
from harness.files import canonical_hash
from harness.registry import DATASETS


def dataset_config(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """The config of a dataset with the command line's choices written in (None means: as the config says).

    Raises:
        ConfigError: unknown dataset, or an option that this dataset does not have.
    """
    cfg = config.load("datasets", name).to_dict()
    cfg = {key: copy.deepcopy(cfg[key]) for key in ("dataset", "recipes", "generate") if key in cfg}
    for key, value in overrides.items():
        if value is None:
            continue
        if key not in cfg["dataset"]:
            raise unknown("option", key, cfg["dataset"], f"dataset '{name}'")
        cfg["dataset"][key] = value
    return cfg


def open_dataset(name: str, cfg: dict[str, Any], data_root: Path, progress: bool = True) -> EchoDataset:
    """Build and verify the dataset; one with a ``generate`` entry and no root is generated below ``data_root``.

    Raises:
        ConfigError: no root where one is needed.
        DataError: the root does not hold what the options ask for.
    """
    build = dict(cfg["dataset"])
    if build.get("root") is None:
        if "generate" not in cfg:
            variable = f"{name.upper()}_ROOT"
            raise ConfigError(f"The dataset '{name}' needs its folder: give --root PATH (make: {variable}=PATH).")
        build["root"] = str(_generate(dict(cfg["generate"]), data_root, progress))
    dataset: EchoDataset = DATASETS.build(build)
    dataset.verify()
    return dataset


def _generate(arguments: dict[str, Any], data_root: Path, progress: bool) -> Path:
    """Call the generator named by ``function`` (``package.module.name``); each set of arguments has a folder."""
    place, _, attribute = arguments.pop("function").rpartition(".")
    module = importlib.import_module(place)
    generate = getattr(module, attribute)
    folder = arguments.pop("folder")
    version = getattr(module, "GENERATOR_VERSION", None)
    root = data_root / f"{folder}-{canonical_hash([arguments, version], length=6)}"
    result: Path = generate(root, progress=progress, **arguments)
    return result


def prepare_cache(dataset: EchoDataset, image_size: int, data_root: Path, progress: bool = True) -> PreparedCache:
    """The prepared cache of a dataset at one model size, below ``data_root/cache``."""
    return prepare(dataset, image_size=image_size, cache_root=data_root / "cache", progress=progress)
