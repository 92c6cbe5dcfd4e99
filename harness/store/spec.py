"""What a run computes, and the identity that follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.files import canonical_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """Everything that decides what a run computes; its hash is the run's identity.

    Attributes:
        model: ``name``, ``size``, ``label`` (for tables) and ``build`` (the registry config).
        data: ``dataset``, ``views``, ``clip``, ``image_size``, ``fingerprint``, ``mark``.
        recipe: the resolved recipe, one for all models of a suite.
        seed: initialisation, order and augmentation.
        protocol: ``first_frame`` and ``structures``.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    protocol: dict[str, Any]

    @property
    def identity(self) -> str:
        """Ten hex digits, the same for equal specs whatever the order of their keys."""
        return canonical_hash(asdict(self))

    @property
    def folder(self) -> str:
        """Path of the run below the store's root."""
        model = self.model
        return f"{self.data['dataset']}/{model['name']}-{model['size']}-s{self.seed}-{self.identity}".replace(":", "_")
