"""What a perturbation is: a seeded, clip-wide change inside the sector, at one of five calibrated severities."""

from __future__ import annotations

import csv
import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from harness.errors import ConfigError
from harness.modules import file_of
from harness.perturbations.sector import Sector, find_sector

Coherence = Literal["static", "drifting", "independent", "frames"]
LADDERS = Path(__file__).resolve().parent / "ladders.csv"
SEVERITIES = (1, 2, 3, 4, 5)
_SEQUENCES = "phantom"
"""The reference whose clips are whole sequences with room for a fault that passes."""


class Draw:
    """Random numbers of one (case, perturbation): drawn on the CPU, so that every device sees the same.

    The severity is not part of the seed of the pattern: a shadow stays in its place and only deepens, which
    makes distortion grow with severity for each case and not only on average.
    """

    def __init__(self, case: str, perturbation: str) -> None:
        # Not Python's hash(): that is salted per process.
        digest = hashlib.sha256(f"{case}|{perturbation}".encode()).digest()
        # manual_seed takes a signed 64-bit number: one bit is given up.
        self.generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal float32."""
        return torch.randn(*shape, generator=self.generator)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number from [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))


class Perturbation(ABC):
    """One kind of degradation of an ultrasound clip.

    Subclasses implement ``apply`` with a strength in their own unit; the base keeps to the sector, to the
    range [0, 1] and to the dtype, and maps severities 1..5 to strengths by the calibrated ladder
    (``ladders.csv``, made by ``echobench robustness calibrate``), 0 to the identity. Fractional severities
    are interpolated on the ladder.

    Attributes:
        name: its name in tables.
        coherence: how the pattern moves in time: ``static`` (the same in every frame), ``drifting``
            (correlated from frame to frame), ``independent`` (fresh in every frame) or ``frames`` (acts on
            the order of frames).
        unit: what ``strength`` means.
        limits: weakest and strongest strength that calibration may choose (the first one is nearly the identity).
        passing: whether it is a fault only while it passes (``window``): always blank frames show nothing to segment.
        fixed: strengths of severities 1..5 of a fault that no calibration can match to others.
    """

    name: ClassVar[str]
    coherence: ClassVar[Coherence]
    unit: ClassVar[str]
    limits: ClassVar[tuple[float, float]]
    passing: ClassVar[bool] = False
    fixed: ClassVar[tuple[float, ...]] = ()

    def __init__(self, ladder: Sequence[float] | None = None, reference: str = "camus") -> None:
        """Use this ladder (strengths of severities 1..5), or the one calibrated on a reference dataset."""
        self._ladder = None if ladder is None else tuple(float(value) for value in ladder)
        self.reference = reference

    @property
    def ladder(self) -> tuple[float, ...]:
        """Strengths of the severities 1..5."""
        if self._ladder is None and self.fixed:
            self._ladder = self.fixed
        if self._ladder is None:
            self._ladder = _calibrated(type(self), self.reference)
        return self._ladder

    def strength(self, severity: float) -> float:
        """Strength of a severity in (0, 5], interpolated on the ladder; below 1 between the weakest limit and it."""
        # The weakest limit stands for severity 0, so that severities below 1 exist (training uses 0.5).
        steps = (self.limits[0], *self.ladder)
        lower = min(int(severity), len(steps) - 2)
        return steps[lower] + (severity - lower) * (steps[lower + 1] - steps[lower])

    def __call__(self, frames: Tensor, severity: float, case: str, sector: Sector | None = None) -> Tensor:
        """Perturb a clip.

        Args:
            frames: [T, H, W] floats in [0, 1].
            severity: 0 (identity) to 5.
            case: name that seeds the pattern, the same for every model.
            sector: found from the clip where it is not given.

        Returns:
            A new clip of the same shape, dtype and device; pixels outside of the sector are untouched.

        Raises:
            ValueError: the severity is outside 0..5 or the clip is not [T, H, W].
        """
        if not 0 <= severity <= 5:
            raise ValueError(f"severity must be between 0 and 5, got {severity}")
        if severity == 0:
            return frames.clone()
        return self.at_strength(frames, self.strength(severity), case, sector)

    def at_strength(self, frames: Tensor, strength: float, case: str, sector: Sector | None = None) -> Tensor:
        """Like a call, with the strength in the perturbation's own unit (calibration uses this)."""
        if frames.ndim != 3 or not frames.is_floating_point():
            raise ValueError(f"frames must be floats [T, H, W], got {frames.dtype} {tuple(frames.shape)}")
        sector = sector if sector is not None else find_sector(frames.float())
        # Float32 whatever the clip has: the hash of what a model saw must not depend on its precision.
        changed = self.apply(frames.float(), sector, strength, Draw(case, self.name)).clamp(0, 1)
        # Scanners write black and their own text outside the fan; a model must not learn faults from there.
        return torch.where(sector.mask, changed.to(frames.dtype), frames)

    @abstractmethod
    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """Change float32 frames [T, H, W]; values outside of [0, 1] or of the sector are cut by the caller."""


def _calibrated(kind: type[Perturbation], reference: str) -> tuple[float, ...]:
    """The ladder of the package's table, of a user's own perturbation from the CSV of its file's name beside it.

    Raises:
        ConfigError: no table has one.
    """
    file = file_of(kind)
    table = LADDERS if file is None else file.with_suffix(".csv")
    ladder = calibrated_ladders(reference, table).get(kind.name) if table.is_file() else None
    if ladder is None:
        where = "its file" if file is None else file.name
        raise ConfigError(
            f"The perturbation {kind.name} has no strengths for severities 1 to 5: state five of them as `fixed` in {where}, or have them "
            f"calibrated: echobench robustness calibrate --dataset ... --perturbations {where} --table {table.name}"
        )
    return ladder


@functools.cache
def calibrated_ladders(reference: str = "camus", path: Path = LADDERS) -> dict[str, tuple[float, ...]]:
    """The committed table: perturbation → strengths of severities 1..5.

    A dataset that was not calibrated itself uses the ladders of real CAMUS, or in a user's own table those of its first one; faults that
    pass, which stills cannot show, those of the phantom's sequences.
    """
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    known = {row["reference"] for row in rows}
    chosen = next((name for name in (reference, "camus") if name in known), rows[0]["reference"] if rows else "")
    own = {row["perturbation"] for row in rows if row["reference"] == chosen}
    table: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["reference"] == chosen or (row["reference"] == _SEQUENCES and row["perturbation"] not in own):
            table.setdefault(row["perturbation"], {})[int(row["severity"])] = float(row["strength"])
    return {name: tuple(steps[level] for level in SEVERITIES) for name, steps in table.items()}


def clip_hash(frames: Tensor) -> str:
    """Short hash of a clip's bytes after rounding to 8 bits: proof that two models saw the same."""
    # Eight bits, because two devices may differ in the last bit of a float and mean the same picture.
    levels = (frames.float() * 255).round().to(torch.uint8).cpu().contiguous()
    return hashlib.sha256(levels.numpy().tobytes()).hexdigest()[:12]
