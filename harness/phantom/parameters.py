"""What decides a phantom root, and nothing else: two roots with equal parameters hold equal files."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from harness.schema import Config, Listed, Seed, Share

GENERATOR_VERSION = 4
"""Raised whenever the same parameters would give other pixels; a root of another version is not reused."""

OPTIONS = ("beats", "arrhythmia", "defects", "foreshortened", "breathing_mm", "probe_mm", "frame_rate_hz")
"""Parameters beyond the regular half sequence."""

SPLITS = ("training", "validation", "testing")
"""Names of the split files, in the order of ``PhantomParameters.patients``."""


Rate = Annotated[float, Field(ge=15, le=120)]
"""Frames per second of an apical view."""

Patients = Annotated[int, Field(ge=0, le=100_000)]
"""Of one split: a patient takes about 0.3 s and 2 MB."""


class PhantomParameters(Config):
    """Parameters of a phantom root.

    Attributes:
        patients: number of patients for training, validation and testing.
        seed: everything random of patient ``i`` is drawn from ``(seed, i)``.
        pixel_mm: isotropic pixel size of the written images (CAMUS: 0.308 mm).
        reversed_share: share of half sequences that run from ES to ED, as a few of CAMUS do.
        beats: whole cycles that are recorded beside the half sequence; 0 for none.
        arrhythmia: share of patients with atrial fibrillation or, of several beats, an extrasystole.
        defects: share of patients with a regional wall-motion defect.
        foreshortened: share of views whose plane misses the apex.
        breathing_mm, probe_mm: how far the heart moves in the picture with the breath (peak to peak) and with the probe (about one
            deviation) while whole cycles are recorded; a half sequence is over before either is seen.
        frame_rate_hz: range that frame rates are drawn from; None for those of CAMUS, 42 to 70.

    Raises:
        ConfigError: a count or size that makes no sense.
    """

    where: ClassVar[str] = "the phantom"

    patients: Annotated[tuple[Patients, Patients, Patients], Listed] = (60, 15, 25)
    seed: Seed = 0
    pixel_mm: Annotated[float, Field(ge=0.1, le=3)] = 0.462
    reversed_share: Share = 0.024
    beats: Annotated[int, Field(ge=0, le=20)] = 0
    arrhythmia: Share = 0.0
    defects: Share = 0.0
    foreshortened: Share = 0.0
    breathing_mm: Annotated[float, Field(ge=0, le=12)] = 0.0
    probe_mm: Annotated[float, Field(ge=0, le=6)] = 0.0
    frame_rate_hz: Annotated[tuple[Rate, Rate], Listed] | None = None

    @field_validator("patients")
    @classmethod
    def _some(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if sum(value) == 0:
            raise ValueError("must be three counts (train, val, test), at least one above 0")
        return value

    @field_validator("frame_rate_hz")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError("must be the lowest and the highest frame rate, in this order")
        return value

    def manifest(self) -> dict[str, Any]:
        """JSON-able parameters with the generator's version; options that are not used are left out."""
        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.model_dump().items()
            # A root that was made before there were options is one without them.
            if name not in OPTIONS or value != type(self).model_fields[name].default
        }
        return {**values, "generator_version": GENERATOR_VERSION}
