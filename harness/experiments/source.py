"""Opening the data of a suite: a dataset config, checked, generated where it can be, and prepared."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from typing import Any

from harness import config
from harness.data import EchoDataset, PreparedCache, prepare
from harness.data.cache import find_prepared
from harness.data.limited import Limited
from harness.data.prepared import MANIFEST
from harness.errors import ConfigError, unknown
from harness.experiments.schemas import DatasetSection, GenerateSection, check_arguments
from harness.files import canonical_hash, refuse_pipe
from harness.phantom.cine import build_dataset
from harness.phantom.parameters import PhantomParameters
from harness.registry import DATASETS, list_datasets


def short_name(name: str) -> str:
    """What a dataset is called in names of runs and reports: its config's name, a config file's without its folder."""
    return Path(name).stem if name.endswith(".py") else name


def dataset_config(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """The config of a dataset with the command line's choices written in (None means: as the config says).

    Raises:
        ConfigError: unknown dataset, or an option that this dataset does not have.
    """
    loaded = config.load("datasets", name).to_dict()
    # mmengine's config also holds the file's own imports and helper values.
    cfg = {key: copy.deepcopy(loaded[key]) for key in ("dataset", "recipes", "generate", "structures") if key in loaded}
    for key in ("dataset", "recipes", "generate"):
        if (key in cfg or key == "dataset") and not isinstance(cfg.get(key), dict):
            raise ConfigError(f"The dataset config {name} defines no `{key} = dict(...)`.")
    for key, value in overrides.items():
        if value is None:
            continue
        if key not in cfg["dataset"]:
            raise unknown("option", key, cfg["dataset"], f"dataset '{name}'")
        cfg["dataset"][key] = value
    DatasetSection.read(cfg["dataset"], f"the dataset {name}")
    if "generate" in cfg:
        # Before --set, so that it has the last word: --clip beats --set generate.beats=5.
        cfg["generate"] |= copy.deepcopy(loaded.get("generate_for", {}).get(cfg["dataset"]["clip"], {}))
    return cfg


def check_dataset(cfg: dict[str, Any]) -> dict[str, Any]:
    """The config of a dataset, its sections checked: kinds of values, keys that the reader and the generator have.

    Raises:
        ConfigError: one sentence about the first thing that is wrong.
    """
    chosen = DatasetSection.read(cfg["dataset"], "the dataset")
    reader = registered_reader(chosen.type)
    # Names alone: values are the reader's to judge, which knows what its files can be.
    check_arguments(reader, {key: 0 for key in cfg["dataset"] if key not in ("type", "cine_seed")}, "the dataset")
    if "generate" in cfg:
        GenerateSection.read(cfg["generate"], "the dataset's generate")
        arguments = _arguments(cfg["generate"])
        check_arguments(_generator(cfg["generate"]["function"]), arguments, "the dataset's generate")
        if cfg["generate"]["function"] == "harness.phantom.generate":
            PhantomParameters.read(arguments, "the phantom (generate)")
    return cfg


def registered_reader(name: str) -> type[EchoDataset]:
    """The class of a dataset's type.

    Raises:
        ConfigError: there is none, with the nearest name.
    """
    reader: type[EchoDataset] | None = DATASETS.get(name)
    if reader is None:
        raise unknown("dataset type", name, list_datasets())
    return reader


def _arguments(generate: dict[str, Any]) -> dict[str, Any]:
    """What a generator is called with: None stands for what is not asked for, and names no other folder."""
    return {key: value for key, value in generate.items() if key not in ("function", "folder") and value is not None}


def _generator(function: str) -> Any:
    """The function of a dotted name, which stands in a config that the user named.

    Raises:
        ConfigError: there is none.
    """
    place, _, attribute = function.rpartition(".")
    try:
        return getattr(importlib.import_module(place), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"The dataset's generate.function '{function}' cannot be imported: {error}.") from error


def clip_kind(cfg: dict[str, Any]) -> str:
    """The kind of the clips that a dataset config stands for; a prepared folder as its root knows its own.

    Raises:
        DataError: a prepared root that cannot be opened.
    """
    root = cfg["dataset"].get("root")
    if root is not None and (Path(root) / MANIFEST).is_file():
        return str(PreparedCache.open(root).manifest["options"]["clip"])
    return str(cfg["dataset"]["clip"])


def open_dataset(
    name: str, cfg: dict[str, Any], data_root: Path, progress: bool = True, limit: int | None = None
) -> EchoDataset:
    """Build and verify the dataset; one with a ``generate`` entry and no root is generated below ``data_root``.

    With a ``limit`` it has the first so many patients of each split, and a mark that says so.

    Raises:
        ConfigError: no root where one is needed, or a prepared folder, which has no original pixels.
        DataError: the root does not hold what the options ask for.
    """
    build = dict(cfg["dataset"])
    if build.get("root") is None:
        if "generate" not in cfg:
            variable = f"{short_name(name).upper()}_ROOT"
            raise ConfigError(f"The dataset '{name}' needs its folder: give --root PATH (make: {variable}=PATH).")
        build["root"] = str(_generate(limited_generation(cfg["generate"], limit), data_root, progress))
    elif (Path(build["root"]) / MANIFEST).is_file():
        raise ConfigError(f"{build['root']} is a prepared folder; its clips are resized, so give the original files.")
    dataset = build_dataset(build)
    dataset.verify()
    # The content of every file is looked at next, and whoever opens a pipe waits for its other end.
    for path in dataset.sources():
        refuse_pipe(path, "The file")
    return dataset if limit is None else Limited(dataset, limit)


def find_data(
    name: str, cfg: dict[str, Any], image_size: int, data_root: Path, limit: int | None = None
) -> tuple[EchoDataset | None, PreparedCache | None]:
    """What of a dataset is there already, without making anything: its files, opened, and its prepared clips.

    Raises:
        ConfigError, DataError: see ``open_data``.
    """
    root = cfg["dataset"].get("root")
    if root is not None and (Path(root) / MANIFEST).is_file():
        return None, open_data(name, cfg, image_size, data_root, progress=False, limit=limit)
    if (
        root is None
        and "generate" in cfg
        and not _generated(limited_generation(cfg["generate"], limit), data_root)[1].is_dir()
    ):
        return None, None
    dataset = open_dataset(name, cfg, data_root, progress=False, limit=limit)
    return dataset, find_prepared(dataset, image_size=image_size, cache_root=data_root / "cache")


def limited_generation(arguments: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """Arguments of a generator that makes no more patients than are asked for."""
    made = dict(arguments)
    if limit is not None and "patients" in made:
        made["patients"] = tuple(min(count, limit) for count in made["patients"])
    return made


def _generate(arguments: dict[str, Any], data_root: Path, progress: bool) -> Path:
    """Call the generator named by ``function`` (``package.module.name``)."""
    generate, root, rest = _generated(arguments, data_root)
    result: Path = generate(root, progress=progress, **rest)
    return result


def _generated(arguments: dict[str, Any], data_root: Path) -> tuple[Any, Path, dict[str, Any]]:
    """The generator, the folder that this set of arguments has, and what the generator is called with."""
    rest = _arguments(arguments)
    generate = _generator(arguments["function"])
    module = importlib.import_module(arguments["function"].rpartition(".")[0])
    # Patients of an older generator are other patients, even under the same arguments.
    version = getattr(module, "GENERATOR_VERSION", None)
    root = data_root / f"{arguments['folder']}-{canonical_hash([rest, version], length=6)}"
    return generate, root, rest


def open_data(
    name: str,
    cfg: dict[str, Any],
    image_size: int,
    data_root: Path,
    progress: bool = True,
    limit: int | None = None,
) -> PreparedCache:
    """The prepared clips of a dataset at one model size, from its own files or from a prepared folder.

    A ``root`` that was made by ``echobench data prepare`` (or unpacked) is used as it is: a machine that trains
    needs no original files.

    Raises:
        ConfigError, DataError: see ``open_dataset``; a prepared root of another dataset or size.
    """
    root = cfg["dataset"].get("root")
    if root is None or not (Path(root) / MANIFEST).is_file():
        dataset = open_dataset(name, cfg, data_root, progress, limit)
        return prepare(dataset, image_size=image_size, cache_root=data_root / "cache", progress=progress)
    if limit is not None:
        raise ConfigError(f"{root} is a prepared folder, which cannot be limited; give the original files.")
    cache = PreparedCache.open(root)
    # A user's config file has a name of its own; the cache knows the reader's.
    wanted = str(registered_reader(cfg["dataset"]["type"]).name) if name.endswith(".py") else name
    if cache.name != wanted:
        raise ConfigError(f"The prepared folder {root} holds the dataset '{cache.name}', not '{wanted}'.")
    if cache.image_size != image_size:
        raise ConfigError(
            f"The prepared folder {root} holds frames of {cache.image_size} px but the recipe asks for {image_size} px; "
            "prepare it again or choose another recipe."
        )
    return cache
