"""From a name on the command line to a registry config: ``gdkvm``, ``path/to/my_model.py``, ``mmseg:segformer_mit-b0``."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import config
from harness.clip import structure_names
from harness.errors import ConfigError, unknown
from harness.experiments.schemas import ModelConfig
from harness.modules import name_modules, user_folder
from harness.registry import MODELS, load_plugins


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChoice:
    """A model of a suite.

    Attributes:
        name: what the command line calls it; part of the run's identity.
        size: ``small`` or ``paper`` (or another size of its config).
        label: what tables call it.
        build: registry config, complete but for ``num_structures``.
        custom_imports: modules that register the model where it comes from no plugin.
    """

    name: str
    size: str
    label: str
    build: dict[str, Any] = field(hash=False)
    custom_imports: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Name of the folder of a user's own file; empty for the others."""
        return user_folder(self.custom_imports)


def choose_model(name: str, size: str) -> ModelChoice:
    """Resolve a model's name, a config's path, or ``family:template`` for a whole family of models.

    A family is a config whose ``sizes`` entries hold ``"{template}"`` in place of the text after the colon.

    Raises:
        ConfigError: unknown model, size or registered type, each with the valid names.
    """
    load_plugins()
    stem, _, template = (name, "", "") if name.endswith(".py") else name.partition(":")
    cfg = config.load("models", stem)
    ModelConfig.read(
        {key: cfg.to_dict()[key] for key in ("label", "sizes") if key in cfg}, f"the config of model '{name}'"
    )
    sizes = cfg.get("sizes", {})
    if size not in sizes:
        raise unknown("size", size, sizes, f"the config of model '{name}'")
    if not template and "{template}" in str(sizes[size]):
        raise ConfigError(f"'{name}' is a family of models; name one of them as {name}:TEMPLATE.")
    if template and "{template}" not in str(sizes[size]):
        raise ConfigError(f"'{stem}' is no family of models; name it without ':{template}'.")
    if template.endswith(".py"):
        name_modules([template])
    # A copy: configs are cached, and one model of a suite would change the next.
    build = _fill(copy.deepcopy(dict(sizes[size])), template)
    if MODELS.get(str(build.get("type"))) is None:
        raise unknown("model type", str(build.get("type")), MODELS.module_dict, f"the config of model '{name}'")
    short = Path(stem).stem + (f":{template}" if template else "")
    label = _fill(cfg.get("label", short), template)
    imports = tuple(cfg.get("custom_imports", {}).get("imports", ()))
    return ModelChoice(name=short, size=size, label=label, build=build, custom_imports=imports)


LEARNED_START = "learned_start"
"""The argument by which a model tells structures apart that have no first mask."""


def build_for(build: Mapping[str, Any], structures: str, first_frame: str) -> dict[str, Any]:
    """A model's registry config, completed for a structure set and a first-frame protocol.

    Networks that know their structures by the first masks alone get a learned start for each of several structures where
    none is given (``auto``). Under the other protocols, and for one structure, they are the published networks.

    Raises:
        ConfigError: such a network without that argument, or with it turned off: all its structures would stay equal.
    """
    count = len(structure_names(structures))
    complete = {**build, "num_structures": count}
    kind = MODELS.get(build["type"])
    if count == 1 or first_frame != "auto" or not getattr(kind, "objects_share_weights", False):
        return complete
    # Set where it is needed and nowhere else: with a given mask the network stays the published one.
    complete.setdefault(LEARNED_START, True)
    if complete[LEARNED_START] and _takes(kind, LEARNED_START):
        return complete
    raise ConfigError(
        f"{build['type']} cannot tell {count} structures apart without a first mask, all would get the same logits; "
        f"use --first-frame gt or auto_unet, --structures lv, or build it with {LEARNED_START}=True where it has that."
    )


def _takes(kind: Any, argument: str) -> bool:
    """Whether a class has an argument, or hands all that it does not know on to its parent."""
    parameters = inspect.signature(kind).parameters.values()
    # A class with ``**options`` takes whatever its parent takes.
    return any(p.name == argument or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _fill(value: Any, template: str) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, template) for key, item in value.items()}
    return value.replace("{template}", template) if isinstance(value, str) else value
