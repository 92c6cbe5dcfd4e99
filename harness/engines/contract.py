"""The contract of an engine: from a trained model to a segmenter that computes the same, executed in another way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from harness.errors import BenchError, ConfigError, unknown
from harness.modeling import VideoSegmenter
from harness.modules import file_of
from harness.registry import ENGINES, list_engines, registered_by

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NATIVE = "native"
"""The engine of the distribution ``echobench-kernels``, which is measured beside ``eager`` wherever it is installed."""


class EngineError(BenchError):
    """An engine cannot execute this model here; the sentence says why and which other engine to take."""


class Engine(ABC):
    """One way to execute models.

    An engine may fold, pack, trace or record, but it never changes what is computed beyond its ``tolerance``; the
    contract tests hold every registered engine to that with every registered model. The model that is handed in stays
    as it was, and its caller may forget it: an engine keeps what it needs.

    Attributes:
        name: what the registry, the command line and the column ``engine`` call it.
        tolerance: for each precision that the engine has, the largest difference of its logits to those of eager
            float32, as a part of the largest logit. ``auto`` protocol, weights as they are initialised.
        takes_whole_clips: whether it runs a model's own whole-clip path. One that executes step after step cannot execute
            a model that is not causal.
    """

    name: ClassVar[str]
    tolerance: ClassVar[Mapping[str, float]]
    takes_whole_clips: ClassVar[bool] = False

    def missing(self) -> str | None:
        """Why the engine cannot be used on this machine, in one sentence, or None where it can."""
        return None

    @abstractmethod
    def prepare(self, model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
        """What ``__call__`` returns, once the precision and the machine are known to be right."""

    def __call__(self, model: VideoSegmenter, example: Tensor, *, precision: str = "fp32") -> VideoSegmenter:
        """The model, executed by this engine.

        Args:
            model: in eval mode, on the device where it is to run; it is not changed.
            example: frames [B, T, C, H, W] in [0, 1] of the sizes that will come, on the same device. Other sizes work
                too, but what is prepared by size is prepared again for them.
            precision: ``fp32``, ``bf16`` or ``fp16``, if the engine has it.

        Returns:
            A segmenter for inference only; its logits are float32.

        Raises:
            EngineError: the engine is not installed, does not have this precision or cannot execute this model.
        """
        if precision not in self.tolerance:
            raise EngineError(
                f"The engine {self.name} has no precision {precision}; choose one of {', '.join(self.tolerance)}."
            )
        reason = self.missing()
        if reason is not None:
            raise EngineError(reason)
        if not (model.causal or self.takes_whole_clips):
            raise EngineError(
                f"The engine {self.name} executes frame after frame and {type(model).__name__} needs whole clips; use the engine eager."
            )
        return self.prepare(model, example, precision)


def engine_name(name: str) -> str:
    """The registered name of an engine; a path (``mine.py``) stands for the only engine that the file registers.

    Raises:
        ConfigError: no such file, or one that registers none or several.
    """
    if not name.endswith(".py"):
        return name
    found = registered_by(ENGINES, name, "engine")
    if len(found) > 1:
        raise ConfigError(f"{name} registers {len(found)} engines; keep one in a file.")
    key, kind = next(iter(found.items()))
    if not (isinstance(kind, type) and issubclass(kind, Engine)):
        raise ConfigError(f"{kind.__name__} in {name} is no engine; derive it from harness.engines.Engine.")
    return key.partition("@")[0]


def engine_files(names: Iterable[str]) -> tuple[str, ...]:
    """The users' files that define engines of these registered names, for a process that has not loaded them."""
    kinds = [ENGINES.get(name) for name in names if name in list_engines()]
    files = [file_of(kind) for kind in kinds if kind is not None]
    return tuple(str(file) for file in files if file is not None)


def make_engine(name: str) -> Engine:
    """The registered engine of that name, or that of a user's file.

    Raises:
        ConfigError: no such engine; the sentence lists those that are installed.

    Example:
        >>> import torch
        >>> from harness.registry import MODELS, load_plugins
        >>> _ = load_plugins()
        >>> model = MODELS.build(dict(type="UNet", widths=(4, 8))).eval()
        >>> frames = torch.rand(1, 2, 1, 32, 32)
        >>> make_engine("eager")(model, frames)(frames).shape
        torch.Size([1, 2, 2, 32, 32])
    """
    name, names = engine_name(name), list_engines()
    if name == NATIVE and name not in names:
        raise EngineError(
            "The engine native is not installed; it is the distribution echobench-kernels: `pip install ./kernels` where a C compiler is."
        )
    if name not in names:
        raise unknown("engine", name, names)
    # Not by a build: the engine of a user's file is registered under its folder as well.
    engine: Engine = ENGINES.get(name)()
    return engine


def default_engines(device: str) -> tuple[str, ...]:
    """Engines that a profile measures unless told otherwise: eager, and on the CPU native where it is installed."""
    return ("eager", NATIVE) if device == "cpu" and NATIVE in list_engines() else ("eager",)


def relative_difference(logits: Tensor, expected: Tensor) -> float:
    """Largest difference of logits to the expected ones, as a part of the largest of those (or of 1, if that is larger).

    Raises:
        ValueError: different shapes.

    Example:
        >>> relative_difference(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 5.0]))
        0.2
    """
    if logits.shape != expected.shape:
        raise ValueError(f"logits must have the shape {tuple(expected.shape)}, got {tuple(logits.shape)}")
    # untrained networks may have logits of 1e5: only the part of them that differs says something
    scale = max(1.0, float(expected.abs().max()))
    return float((logits.double() - expected.double()).abs().max()) / scale


def weight_bytes(model: nn.Module) -> int:
    """Bytes of what a model or an engine's segmenter holds between two calls: parameters and buffers, shared ones once.

    An engine whose weights live outside of torch says so by a method ``held_bytes()`` of its segmenter.
    """
    outside = getattr(model, "held_bytes", None)
    if outside is not None:
        return int(outside())
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
