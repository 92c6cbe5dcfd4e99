"""What the sections of configs hold: of suites, datasets and models (a recipe's is ``training/recipe.py``)."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field, field_validator

from harness.errors import BenchError, ConfigError, unknown
from harness.files import is_inside
from harness.registry import MODELS, check_types
from harness.schema import Listed, Schema, Seed

Names = Annotated[tuple[str, ...], Listed, Field(min_length=1)]


class SuiteSection(Schema):
    """``suite`` of a suite's config, with the user's choices written in."""

    dataset: str
    models: Names
    reference: str
    endpoint: str | None = None
    size: str
    seeds: Annotated[tuple[Seed, ...], Listed, Field(min_length=1)]
    structures: str
    first_frame: str
    recipe: dict[str, Any] = Field(default_factory=dict)
    profile: dict[str, Any] | None = None
    data: dict[str, Any] = Field(default_factory=dict)

    @field_validator("models", "seeds")
    @classmethod
    def _named_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        repeated = [item for item in value if value.count(item) > 1]
        if repeated:
            raise ValueError(f"names {repeated[0]} twice; name each once")
        return value


class DatasetSection(Schema):
    """``dataset`` of a dataset's config; what else a reader takes is checked against its constructor."""

    model_config = ConfigDict(extra="allow")

    type: str
    root: str | None = None
    views: Names | None = None
    clip: str
    allow_partial: bool = False
    split_dir: str | None = None
    cine_seed: Seed = 0


class GenerateSection(Schema):
    """``generate`` of a dataset's config: a function and its arguments."""

    model_config = ConfigDict(extra="allow")

    function: str
    folder: str

    @field_validator("folder")
    @classmethod
    def _below_the_data(cls, value: str) -> str:
        if not is_inside(value):
            raise ValueError(f"must be a name below the data folder, got {value!r}")
        return value


class ModelConfig(Schema):
    """A model's config file, without its imports."""

    label: str | None = None
    sizes: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]


def check_arguments(function: Callable[..., Any], given: Mapping[str, Any], where: str) -> None:
    """Refuse arguments that a function does not have.

    Raises:
        ConfigError: with the nearest one that it has.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters):
        return
    names = [item.name for item in parameters]
    for name in given:
        if name not in names:
            raise unknown("key", name, names, where)


def check_build(build: Mapping[str, Any], where: str) -> None:
    """Build a model once, to find what is wrong with its config before anything is generated or trained.

    Built without memory for its weights where the model allows it, in which case their size is compared with the memory
    of this machine.

    Args:
        build: registry config.
        where: what sentences call it ("the model 'unet'").

    Raises:
        ConfigError: an unknown type or argument, a value that the model refuses, weights that do not fit.
    """
    check_types(build)
    model_type = str(build.get("type"))
    built = MODELS.get(model_type)
    if built is None:
        raise unknown("model type", model_type, MODELS.module_dict, where)
    check_arguments(built, {key: value for key, value in build.items() if key != "type"}, where)
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            model = MODELS.build(dict(build))
    except BenchError:
        raise
    # A model may read weights or compute with its tensors in its constructor: that needs a real one.
    except Exception:
        _built(build, where)
        return
    needed = sum(item.numel() * item.element_size() for item in (*model.parameters(), *model.buffers()))
    if needed > (there := _memory()):
        raise ConfigError(
            f"{where[:1].upper()}{where[1:]} needs {needed >> 30} GB for its weights alone, this machine has {there >> 30} GB."
        )


def _built(build: Mapping[str, Any], where: str) -> None:
    try:
        with torch.random.fork_rng(devices=[]):
            MODELS.build(dict(build))
    except BenchError:
        raise
    # A constructor given wrong values may raise anything.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConfigError(
            f"{where[:1].upper()}{where[1:]} cannot be built: {reason}; correct its arguments."
        ) from error


def _memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
