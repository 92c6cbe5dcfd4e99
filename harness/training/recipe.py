"""Recipe: everything that decides how a model is trained, the same for all models of a suite."""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from harness.errors import ConfigError, unknown

T = TypeVar("T")

NOT_IN_IDENTITY = ("vis_backends",)
"""Keys of a recipe that decide where results are shown and nothing of what is computed."""
OPTIONAL_KEYS: dict[str, list[Any]] = {
    "custom_imports": [],
    "custom_hooks": [],
    "vis_backends": [{"type": "TensorboardVisBackend"}],
}
"""Keys that a recipe may leave out, with what they then are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSpec:
    """The optimiser.

    Attributes:
        type: a class of ``torch.optim`` that the engine supports.
        lr: learning rate at the top of the schedule.
        weight_decay: decoupled for AdamW; never applied to norms, biases and embeddings.
        backbone_lr_factor: factor of ``lr`` for weights that were loaded from a file; a model that starts from scratch
            learns at ``lr`` everywhere (see ``training/parameters.py``).
    """

    type: Literal["AdamW", "Adam", "SGD"] = "AdamW"
    lr: float
    weight_decay: float = 1e-3
    backbone_lr_factor: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleSpec:
    """Learning rate over iterations.

    Attributes:
        type: shape of the decay after the warm-up.
        warmup: iterations over which the rate rises linearly.
        final: factor at the end (``linear`` and ``cosine``).
        milestones, gamma: iterations at which the rate is multiplied by ``gamma`` (``step``).
    """

    type: Literal["linear", "cosine", "step", "constant"] = "linear"
    warmup: int = 0
    final: float = 0.0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class PointSpec:
    """Supervision on sampled pixels instead of all (PointRend, Kirillov 2020): see ``training/points.py``."""

    count: int = 12544
    oversample: float = 3.0
    importance: float = 0.75


@dataclass(frozen=True, kw_only=True, slots=True)
class LossSpec:
    """Weights of cross-entropy and soft Dice; ``points`` samples pixels, None uses all."""

    ce: float = 1.0
    dice: float = 1.0
    points: PointSpec | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
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

    image_size: int
    clip_length: int
    test_clip_length: int | Literal["whole"] | None = None
    batch_size: int
    iterations: int
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = field(default_factory=lambda: ScheduleSpec())
    gradient_clip: float | None = 3.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    channels_last: bool = True
    batch_norm: Literal["train", "frozen"] = "train"
    ema: float | None = None
    loss: LossSpec = field(default_factory=lambda: LossSpec())
    augment: str | list = "paper"
    val_interval: int = 100
    checkpoint_interval: int = 100
    log_interval: int = 10
    activation_checkpointing: bool = False
    deterministic: bool = True
    workers: int = 0
    device: str = "auto"
    custom_imports: tuple[str, ...] = ()
    custom_hooks: list = field(default_factory=list)
    vis_backends: list = field(default_factory=lambda: copy.deepcopy(OPTIONAL_KEYS["vis_backends"]))

    def __post_init__(self) -> None:
        # Checked here and not at the first use: a run of hours must not end at its first validation.
        positive = ("image_size", "clip_length", "batch_size", "iterations", "val_interval", "checkpoint_interval")
        for name in (*positive, "log_interval", "test_clip_length", "gradient_clip"):
            value = getattr(self, name)
            _require(name, value, lambda value: value is None or value == "whole" or value > 0, "greater than 0")
        _require("optimizer.lr", self.optimizer.lr, lambda value: value > 0, "greater than 0")
        _require("workers", self.workers, lambda value: value >= 0, "0 or more")
        _require("ema", self.ema, lambda value: value is None or 0 < value < 1, "between 0 and 1")
        for name in ("custom_hooks", "vis_backends"):
            _require(name, getattr(self, name), _are_configs, 'a list of dicts with a "type"')
        _require("loss", self.loss.ce + self.loss.dice, lambda value: value > 0, "a positive weight of ce or dice")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from nested plain values.

        Raises:
            ConfigError: an unknown key (with the nearest valid one), a missing key or a value of the wrong kind.
        """
        return _build(cls, values, "the recipe")

    def to_dict(self) -> dict[str, Any]:
        """All values as plain nested dicts, lists and numbers: what is recorded and hashed."""
        return _plain(asdict(self))

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


def _are_configs(value: list[Any]) -> bool:
    return all(isinstance(item, Mapping) and "type" in item for item in value)


def _require(name: str, value: Any, holds: Any, wanted: str) -> None:
    if not holds(value):
        raise ConfigError(f"The recipe's {name} must be {wanted}, got {value!r}.")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Fill a dataclass from a mapping, with every key and value checked against its annotations."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where[0].upper()}{where[1:]} must be a dict, got {values!r}.")
    hints = typing.get_type_hints(cls)
    # Unknown keys first: a misspelt key would otherwise silently take its default.
    for key in values:
        if key not in hints:
            raise unknown("key", key, hints, where)
    arguments = {key: _coerce(hints[key], value, f"{where}'s {key}") for key, value in values.items()}
    try:
        return cls(**arguments)
    # The dataclass knows what is missing; its own message names __init__ and positional arguments.
    except TypeError:
        missing = [f.name for f in fields(cls) if f.name not in values and _mandatory(f)]  # type: ignore[arg-type]
        raise ConfigError(f"{where[0].upper()}{where[1:]} lacks {', '.join(missing)}.") from None


def _mandatory(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _coerce(hint: Any, value: Any, where: str) -> Any:
    """Return ``value`` as the annotated kind, or raise the sentence that says what was expected."""
    origin, options = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in options:
            raise unknown("value", str(value), map(str, options), where)
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in options:
            return None
        kinds = [option for option in options if option is not type(None)]
        return _first_fitting(kinds, value, where)
    if is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where[0].upper()}{where[1:]} must be a list, got {value!r}.")
        return tuple(_coerce(options[0], item, where) for item in value)
    return _scalar(hint, value, where)


def _first_fitting(kinds: list[Any], value: Any, where: str) -> Any:
    # The last kind raises its own sentence, which then names what was expected.
    for kind in kinds[:-1]:
        try:
            return _coerce(kind, value, where)
        except ConfigError:
            continue
    return _coerce(kinds[-1], value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    # 1 and 1.0 mean one recipe and must have one hash; True is an int in Python and means a mistake here.
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where[0].upper()}{where[1:]} must be of kind {kind.__name__}, got {value!r}.")
    return _plain(value) if kind is list else value
