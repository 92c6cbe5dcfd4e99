"""What decides a phantom root, and nothing else: two roots with equal parameters hold equal files."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from harness.schema import Config, Listed, Seed, Share

GENERATOR_VERSION = 4
"""Raised whenever the same parameters would give other pixels; a root of another version is not reused."""

SPLITS = ("training", "validation", "testing")
"""Names of the split files, in the order of ``PhantomParameters.patients``."""


Patients = Annotated[int, Field(ge=0, le=100_000)]
"""Of one split: a patient takes about 0.3 s and 2 MB."""


class PhantomParameters(Config):
    """Parameters of a phantom root.

    Attributes:
        patients: number of patients for training, validation and testing.
        seed: everything random of patient ``i`` is drawn from ``(seed, i)``.
        pixel_mm: isotropic pixel size of the written images (CAMUS: 0.308 mm).
        reversed_share: share of half sequences that run from ES to ED, as a few of CAMUS do.

    Raises:
        ConfigError: a count or size that makes no sense.
    """

    where: ClassVar[str] = "the phantom"

    patients: Annotated[tuple[Patients, Patients, Patients], Listed] = (60, 15, 25)
    seed: Seed = 0
    pixel_mm: Annotated[float, Field(ge=0.1, le=3)] = 0.462
    reversed_share: Share = 0.024

    @field_validator("patients")
    @classmethod
    def _some(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if sum(value) == 0:
            raise ValueError("must be three counts (train, val, test), at least one above 0")
        return value

    def manifest(self) -> dict[str, Any]:
        """JSON-able parameters with the generator's version."""
        return {**self.model_dump(), "patients": list(self.patients), "generator_version": GENERATOR_VERSION}
