"""Recipe: everything that decides how a model is trained, the same for all models of a suite."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from harness.schema import Config, Count, Listed, NotNegative, Positive, Schema, Share, Whole

Side = Annotated[int, Field(ge=16, le=4096)]
"""Pixels: below 16 no network here has a feature left, and the largest ultrasound frames have about 1600."""
Length = Annotated[int, Field(gt=0, le=10_000)]
"""Frames of a clip: a minute of video is 3000."""

NOT_IN_IDENTITY = ("vis_backends",)
"""Keys of a recipe that decide where results are shown and nothing of what is computed."""
OPTIONAL_KEYS: dict[str, list[Any]] = {
    "custom_imports": [],
    "custom_hooks": [],
    "vis_backends": [{"type": "TensorboardVisBackend"}],
}
"""Keys that a recipe may leave out, with what they then are."""


class OptimizerSpec(Schema):
    """The optimiser.

    Attributes:
        type: a class of ``torch.optim`` that the engine supports.
        lr: learning rate at the top of the schedule.
        weight_decay: decoupled for AdamW; never applied to norms, biases and embeddings.
        backbone_lr_factor: factor of ``lr`` for weights that were loaded from a file; a model that starts from scratch
            learns at ``lr`` everywhere (see ``training/parameters.py``).
    """

    type: Literal["AdamW", "Adam", "SGD"] = "AdamW"
    lr: Positive
    weight_decay: NotNegative = 1e-3
    backbone_lr_factor: NotNegative = 1.0


class ScheduleSpec(Schema):
    """Learning rate over iterations.

    Attributes:
        type: shape of the decay after the warm-up.
        warmup: iterations over which the rate rises linearly.
        final: factor at the end (``linear`` and ``cosine``).
        milestones, gamma: iterations at which the rate is multiplied by ``gamma`` (``step``).
    """

    type: Literal["linear", "cosine", "step", "constant"] = "linear"
    warmup: Count = 0
    final: NotNegative = 0.0
    milestones: Annotated[tuple[Count, ...], Listed] = ()
    gamma: Positive = 0.1


class PointSpec(Schema):
    """Supervision on sampled pixels instead of all (PointRend, Kirillov 2020): see ``training/points.py``."""

    count: Whole = 12544
    oversample: Annotated[float, Field(ge=1)] = 3.0
    importance: Share = 0.75


class LossSpec(Schema):
    """Weights of cross-entropy and soft Dice; ``points`` samples pixels, None uses all."""

    ce: NotNegative = 1.0
    dice: NotNegative = 1.0
    points: PointSpec | None = None

    @model_validator(mode="after")
    def _weighs(self) -> LossSpec:
        if self.ce + self.dice <= 0:
            raise ValueError("must have a positive weight of ce or dice")
        return self


class Recipe(Config):
    """How a model is trained. Build it with ``Recipe.from_dict``, which refuses unknown keys and wrong values.

    Attributes:
        image_size: side of the square frames in pixels.
        clip_length: frames of a training clip.
        test_clip_length: frames of a validation or test clip; None means ``clip_length``, ``"whole"`` every frame of each clip.
        batch_size: clips per iteration over all processes.
        iterations: optimiser steps.
        gradient_clip: largest total gradient norm, None for no limit.
        precision: ``auto`` is bf16 where the device computes it natively, else fp32; what was used is logged.
        channels_last: memory format of the weights.
        batch_norm: ``frozen`` keeps the running statistics and normalises with them (affine weights still learn).
        ema: decay of an exponential moving average of the weights that is validated and kept as best, or None.
        augment: ``paper``, ``none``, ``robust`` (perturbations first, see docs/robustness.md) or a list of transform configs.
        val_interval, checkpoint_interval, log_interval: iterations between validations, checkpoints, log lines.
        activation_checkpointing: recompute the trunks' activations in the backward pass (less memory, more time).
        deterministic: deterministic kernels, so that the same seed gives the same bits on the same machine.
        workers: loader processes (no influence on the result).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        custom_imports: modules that register the hooks and backends below, imported before these are built.
        custom_hooks: configs of mmengine hooks (``dict(type="EMAHook", ...)``); see docs/tracking.md.
        vis_backends: configs of mmengine's visualisation backends, which receive the curves; ``log.jsonl`` is written
            in any case.
    """

    where: ClassVar[str] = "the recipe"

    image_size: Side
    clip_length: Length
    test_clip_length: Length | Literal["whole"] | None = None
    batch_size: Annotated[int, Field(gt=0, le=4096)]
    iterations: Annotated[int, Field(gt=0, le=10**9)]
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = Field(default_factory=lambda: ScheduleSpec())
    gradient_clip: Positive | None = 3.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    channels_last: bool = True
    batch_norm: Literal["train", "frozen"] = "train"
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    loss: LossSpec = Field(default_factory=lambda: LossSpec())
    augment: Literal["paper", "none", "robust"] | list[Any] = "paper"
    val_interval: Whole = 100
    checkpoint_interval: Whole = 100
    log_interval: Whole = 10
    activation_checkpointing: bool = False
    deterministic: bool = True
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    device: str = "auto"
    custom_imports: Annotated[tuple[str, ...], Listed] = ()
    custom_hooks: list[Any] = Field(default_factory=list)
    vis_backends: list[Any] = Field(default_factory=lambda: copy.deepcopy(OPTIONAL_KEYS["vis_backends"]))

    @field_validator("custom_hooks", "vis_backends")
    @classmethod
    def _are_configs(cls, value: list[Any]) -> list[Any]:
        if not all(isinstance(item, Mapping) and isinstance(item.get("type"), str) for item in value):
            raise ValueError(f'must be a list of dicts with a "type", got {value!r}')
        return value

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from nested plain values.

        Raises:
            ConfigError: an unknown key (with the nearest valid one), a missing key or a value of the wrong kind or range.
        """
        return cls.read(values, cls.where)

    def to_dict(self) -> dict[str, Any]:
        """All values as plain nested dicts, lists and numbers: what is recorded and hashed."""
        plain: dict[str, Any] = _plain(self.model_dump())
        return plain

    @property
    def frames_at_test(self) -> int | None:
        """Frames of a validation or test clip; None for all of them."""
        return None if self.test_clip_length == "whole" else self.test_clip_length or self.clip_length


def identity_keys(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's keys that decide what is trained, as they stand in a run's spec.

    Where curves are sent changes no weight (``NOT_IN_IDENTITY``), and an empty list of hooks or imports is the same
    as none: a recipe that does not name them keeps the identity that it had before there were such keys.

    >>> identity_keys({"iterations": 5, "custom_hooks": [], "vis_backends": [{"type": "MLflowVisBackend"}]})
    {'iterations': 5}
    """
    return {
        key: value
        for key, value in recipe.items()
        if key not in NOT_IN_IDENTITY and (key not in OPTIONAL_KEYS or list(value))
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
