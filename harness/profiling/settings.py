"""The condition of a measurement: what is asked for, and what the machine adds to it."""

from __future__ import annotations

import platform
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, field_validator

from harness.engines.contract import NATIVE, default_engines, engine_name
from harness.errors import ConfigError, unknown
from harness.modeling.precision import allow_tf32, missing_device
from harness.registry import list_engines
from harness.schema import Config, Count, Listed, Whole

SPEC_LENGTHS = (10, 32, 100, 300)


class ProfileSettings(Config):
    """How one model is measured.

    Attributes:
        image_size: side of the square frames in pixels.
        clip_length: frames of the clips that are timed.
        batch_size: clips at once.
        device: ``cpu``, ``cuda`` or ``auto`` (CUDA where there is one).
        precision: ``fp32``, ``bf16``, ``fp16``.
        channels_last: memory layout of the model that the engines are given (``native`` chooses its own).
        tf32: whether CUDA may round float32 products to TF32.
        threads: intra-op CPU threads, None for torch's default.
        warmup: clips before anything is timed (the protocol asks for at least 10 in a reported table).
        repeats: clips that are timed.
        engines: how the model is executed, each measured in turn; the first is the headline; a path stands for the engine of a
            user's file. None means ``eager``, and on a
            CPU ``native`` beside it where it is installed. What an engine cannot do is a row that says so.
        memory_lengths: clip lengths whose peak memory is measured; None means ``clip_length`` on a CPU and
            10, 32, 100, 300 on CUDA.
        complexity: also count parameters and multiply-adds.
        patience_s: seconds that one process may wait for other work on the machine to end, and measure again what it
            disturbed. What is disturbed nevertheless is marked ``busy`` and never ranked.
    """

    where: ClassVar[str] = "the profile"

    image_size: Annotated[int, Field(gt=0, le=4096)] = 256
    clip_length: Annotated[int, Field(gt=0, le=10_000)] = 10
    batch_size: Annotated[int, Field(gt=0, le=4096)] = 1
    device: str = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    tf32: bool = False
    threads: Annotated[int, Field(gt=0, le=1024)] | None = None
    warmup: Count = 10
    repeats: Whole = 30
    engines: Annotated[tuple[str, ...], Listed] | None = None
    memory_lengths: Annotated[tuple[Whole, ...], Listed] | None = None
    complexity: bool = True
    patience_s: float = 30.0

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, value: str) -> str:
        if value.partition(":")[0] not in ("auto", "cpu", "cuda"):
            raise unknown("device", value, ("auto", "cpu", "cuda"))
        return value

    @field_validator("engines")
    @classmethod
    def _are_engines(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        value = None if value is None else tuple(engine_name(engine) for engine in value)
        for engine in value or ():
            # native may be named where it is not installed: a suite's config serves every machine
            if engine not in (names := {*list_engines(), NATIVE}):
                raise unknown("engine", engine, names)
        return value

    def resolved(self) -> ProfileSettings:
        """The same with ``auto`` and None replaced by what this machine has.

        Raises:
            ConfigError: CUDA is asked for and absent.
        """
        device = ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device
        reason = missing_device(torch.device(device))
        if reason is not None:
            raise ConfigError(f"The device '{device}' is not available on this machine ({reason}); use --device cpu.")
        lengths = self.memory_lengths
        if lengths is None:
            lengths = (self.clip_length,) if device == "cpu" else SPEC_LENGTHS
        threads = torch.get_num_threads() if self.threads is None else self.threads
        engines = default_engines(device) if self.engines is None else self.engines
        return self.replace(device=device, memory_lengths=tuple(sorted(lengths)), threads=threads, engines=engines)

    def replace(self, **changes: Any) -> ProfileSettings:
        """A copy with some values changed."""
        return ProfileSettings(**{**self.as_dict(), **changes})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ProfileSettings:
        """The inverse of ``as_dict``; lists become tuples."""
        return cls(**values)

    @property
    def file_stem(self) -> str:
        """Name of a table that holds this condition, without suffix."""
        parts = [
            f"profile_{self.device.replace(':', '')}",
            f"{self.image_size}px",
            f"t{self.clip_length}",
            f"b{self.batch_size}",
            self.precision,
            *(["channels-last"] if self.channels_last else []),
            *(["tf32"] if self.tf32 else []),
            *([f"{self.threads}threads"] if self.device == "cpu" and self.threads else []),
        ]
        return "_".join(parts)


def apply(settings: ProfileSettings) -> None:
    """Set threads and TF32 for this process."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    allow_tf32(settings.tf32)
    # Shapes are fixed here, so cuDNN may try its kernels once, during the warm-up.
    torch.backends.cudnn.benchmark = settings.device != "cpu"


def condition_columns(settings: ProfileSettings) -> dict[str, Any]:
    """Columns that say under which condition a row was measured."""
    cuda = settings.device != "cpu"
    return {
        "device": settings.device,
        "device_name": torch.cuda.get_device_name(settings.device) if cuda else platform.processor() or "cpu",
        "precision": settings.precision,
        "channels_last": settings.channels_last,
        "tf32": settings.tf32 if cuda else False,
        "threads": torch.get_num_threads(),
        "image_size": settings.image_size,
        "batch_size": settings.batch_size,
        "clip_length": settings.clip_length,
        "warmup_clips": settings.warmup,
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
    }
