"""From the spec of the base model to the spec of a variant."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness import config
from harness.errors import ConfigError, unknown
from harness.experiments.first_mask import choose_maker, protocol_of, takes_first_mask
from harness.experiments.identity import complete
from harness.experiments.models import LEARNED_START, build_for, choose_model
from harness.registry import MODELS
from harness.store.runs import RunSpec
from harness.training import Recipe
from harness.vocabulary import AUTO_UNET

ROOTS = ("models", "recipe", "protocol")
_FIXED = ("image_size",)


def vary(spec: RunSpec, overrides: Mapping[str, Any]) -> RunSpec:
    """The spec with dotted ``overrides`` written in: ``models.<name>.<argument>``, ``recipe.…``, ``protocol.first_frame``.

    ``model`` puts another model, by its name, in the place of the study's own; its arguments can then be set as well.

    An argument set to the value that the model would take anyway is left out where the config does not name it, so that
    a variant that is the plain model is the plain model's run.

    Raises:
        ConfigError: an unknown key, an argument that the model does not have, or a value that is not allowed.
    """
    # The base spec is shared by all cells.
    content = copy.deepcopy(asdict(spec))
    if "model" in overrides:
        content["model"] = _other_model(spec, overrides["model"])
    for dotted, value in overrides.items():
        root, _, key = dotted.partition(".")
        if root == "models":
            _set_argument(content["model"], dotted, value)
        elif root == "recipe":
            _set_recipe(content["recipe"], dotted, key, value)
        elif dotted == "model":
            continue  # before its arguments, wherever it stands
        elif dotted == "protocol.first_frame":
            content["protocol"] = _protocol(content, value)
            # Without a mask several structures need a learned start, with one the published network has none.
            content["model"]["build"].pop(LEARNED_START, None)
        else:
            raise ConfigError(
                f"A study cannot vary '{dotted}'; use model, models.NAME.ARGUMENT, recipe.KEY or protocol.first_frame."
            )
    Recipe.from_dict(content["recipe"])
    protocol = content["protocol"]
    content["model"]["build"] = build_for(content["model"]["build"], protocol["structures"], protocol["first_frame"])
    return complete(RunSpec(**content)) if spec.code else RunSpec(**content)


def _other_model(spec: RunSpec, name: str) -> dict[str, Any]:
    """Another model at the size, for the structures and under the protocol of a spec."""
    choice = asdict(choose_model(str(name), spec.model["size"]))
    protocol = spec.protocol
    return {**choice, "build": build_for(choice["build"], protocol["structures"], protocol["first_frame"])}


def _protocol(content: dict[str, Any], value: Any) -> dict[str, Any]:
    """The protocol of a variant; ``auto_unet`` takes the U-Net of the model's size."""
    model, structures = content["model"], content["protocol"]["structures"]
    if value != AUTO_UNET:
        return protocol_of(value, structures)
    if not takes_first_mask(model["build"]):
        raise ConfigError(f"The model '{model['name']}' takes no first mask; leave out the protocol {AUTO_UNET}.")
    return protocol_of(value, structures, choose_maker(model["size"]))


def _set_argument(model: dict[str, Any], dotted: str, value: Any) -> None:
    _, name, argument = (*dotted.split(".", 2), "", "")[:3]
    if name != model["name"]:
        raise unknown("model", name, [model["name"]], f"the override '{dotted}'")
    build = model["build"]
    known = arguments(build["type"])
    if known is not None and argument not in known:
        raise unknown("argument", argument, known, f"the override '{dotted}'")
    # Written in, a default would change the identity of a run that computes the same.
    if known is not None and argument not in build and known[argument] == value:
        return
    build[argument] = value


def _set_recipe(recipe: dict[str, Any], dotted: str, key: str, value: Any) -> None:
    if key in _FIXED:
        raise ConfigError(
            f"A study cannot vary '{dotted}': its cells share one prepared dataset; run a study per size."
        )
    config.override({"recipe": recipe}, {dotted: value}, where="the study")


def arguments(model_type: str) -> dict[str, Any] | None:
    """Arguments of a registered model with their defaults; None where it takes any (``**kwargs``)."""
    built = MODELS.get(model_type)
    if built is None:
        raise unknown("model type", model_type, MODELS.module_dict)
    parameters = inspect.signature(built).parameters.values()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return None
    return {one.name: one.default for one in parameters}
