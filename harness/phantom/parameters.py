"""What decides a phantom root, and nothing else: two roots with equal parameters hold equal files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import ConfigError

GENERATOR_VERSION = 4
"""Raised whenever the same parameters would give other pixels; a root of another version is not reused."""

SPLITS = ("training", "validation", "testing")
"""Names of the split files, in the order of ``PhantomParameters.patients``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhantomParameters:
    """Parameters of a phantom root.

    Attributes:
        patients: number of patients for training, validation and testing.
        seed: everything random of patient ``i`` is drawn from ``(seed, i)``.
        pixel_mm: isotropic pixel size of the written images (CAMUS: 0.308 mm).
        reversed_share: share of half sequences that run from ES to ED, as a few of CAMUS do.

    Raises:
        ConfigError: a count or size that makes no sense.
    """

    patients: tuple[int, int, int] = (60, 15, 25)
    seed: int = 0
    pixel_mm: float = 0.462
    reversed_share: float = 0.024

    def __post_init__(self) -> None:
        if len(self.patients) != 3 or min(self.patients) < 0 or sum(self.patients) == 0:
            raise ConfigError(
                f"patients must be three counts (train, val, test), at least one > 0, got {self.patients}."
            )
        if not 0.1 <= self.pixel_mm <= 3:
            raise ConfigError(f"pixel_mm must lie between 0.1 and 3 mm, got {self.pixel_mm}.")
        if not 0 <= self.reversed_share <= 1:
            raise ConfigError(f"reversed_share must lie between 0 and 1, got {self.reversed_share}.")
        if self.seed < 0:
            raise ConfigError(f"seed must not be negative, got {self.seed}.")

    def manifest(self) -> dict[str, Any]:
        """JSON-able parameters with the generator's version."""
        return {**asdict(self), "patients": list(self.patients), "generator_version": GENERATOR_VERSION}
