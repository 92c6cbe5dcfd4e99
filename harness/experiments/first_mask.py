"""The first-frame protocol ``auto_unet``: the first mask of a test clip comes from the U-Net of the same split.

A run of this protocol carries the U-Net's config in its spec. That U-Net is a run of its own (same data, recipe, seed,
structures and size, protocol ``auto``), shared with every suite that trains it anyway.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.clip import structure_names
from harness.errors import ConfigError, unknown
from harness.experiments.identity import complete
from harness.experiments.models import ModelChoice, choose_model
from harness.registry import MODELS
from harness.store.runs import RunSpec
from harness.vocabulary import AUTO_UNET, FIRST_FRAMES

MAKER = "unet"
"""Name of the config of the model that makes first masks."""


def protocol_of(first_frame: str, structures: str, maker: ModelChoice | None = None) -> dict[str, Any]:
    """``RunSpec.protocol``: the first-frame protocol, the structures and, for ``auto_unet``, the model of the first mask.

    Raises:
        ConfigError: an unknown protocol, or ``auto_unet`` without ``maker``.
    """
    if first_frame not in FIRST_FRAMES:
        raise unknown("first-frame protocol", str(first_frame), FIRST_FRAMES)
    protocol: dict[str, Any] = {"first_frame": first_frame, "structures": structures}
    if first_frame == AUTO_UNET:
        if maker is None:
            raise ConfigError(f"The first-frame protocol {AUTO_UNET} needs a model that makes the first mask.")
        protocol["first_mask"] = _record(maker, structures)
    return protocol


def choose_maker(size: str) -> ModelChoice:
    """The U-Net of a model size."""
    return choose_model(MAKER, size)


def takes_first_mask(build: dict[str, Any]) -> bool:
    """Whether a model (its registry config) can be given a mask of frame 0."""
    # Asked of the class: building a model of paper size to learn this takes seconds.
    return bool(getattr(MODELS.get(build["type"]), "uses_first_mask", True))


def split_takers(choices: list[ModelChoice]) -> tuple[list[ModelChoice], list[str]]:
    """The models that ``auto_unet`` can be run for, and a sentence about those that it cannot.

    Models without memory would be measured exactly as in ``auto``; in a table of ``auto_unet`` they would stand
    under a protocol that they do not follow.

    Raises:
        ConfigError: no model can take a mask.
    """
    takers = [choice for choice in choices if takes_first_mask(choice.build)]
    others = [choice.label for choice in choices if choice not in takers]
    if not takers:
        raise ConfigError(
            f"No model of the suite can take a first mask ({', '.join(others)}); use --first-frame auto, "
            "or name a model with a memory."
        )
    if not others:
        return takers, []
    sentence = f"Left out, because a model without memory takes no first mask: {', '.join(others)} (see auto)."
    return takers, [sentence]


def maker_spec(spec: RunSpec) -> RunSpec | None:
    """Spec of the run whose model makes the first masks of ``spec``; None under the other protocols."""
    maker = spec.protocol.get("first_mask")
    if maker is None:
        return None
    protocol = protocol_of("auto", spec.protocol["structures"])
    # Generation 0: a model that is trained again keeps the maker that it was tested with.
    return _like(spec, dataclasses.replace(spec, model=dict(maker), protocol=protocol, generation=0))


def _like(taker: RunSpec, maker: RunSpec) -> RunSpec:
    """Completed like its taker: a run of an older store has a maker of an older store."""
    return complete(maker) if taker.code else maker


def measured_build(spec: RunSpec) -> dict[str, Any]:
    """Registry config of what is run at test: the model, with the maker of its first mask where it has one."""
    maker = spec.protocol.get("first_mask")
    if maker is None:
        return spec.model["build"]
    return {"type": "FirstMaskSegmenter", "model": spec.model["build"], "first": maker["build"]}


def _record(choice: ModelChoice, structures: str) -> dict[str, Any]:
    """A model as ``RunSpec.model`` holds it."""
    record = dataclasses.asdict(choice)
    record["build"]["num_structures"] = len(structure_names(structures))
    return record
