"""What a training is asked to do, and what it reports back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clip import structure_names
from harness.errors import unknown
from harness.files import canonical_hash
from harness.training.recipe import Recipe, identity_keys
from harness.vocabulary import FIRST_FRAMES, FirstFrame

_WITHOUT_INFLUENCE = ("workers", "device", "checkpoint_interval", "log_interval", "activation_checkpointing")
"""Keys of a recipe that may differ between the sessions of one training: its bits do not depend on them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingJob:
    """One training.

    Attributes:
        model_build: registry config of the model (``type`` and arguments); ``num_structures`` is filled in.
        recipe: the ``Recipe``, or its plain dict, which is checked and turned into one.
        seed: initialisation, order of the batches, augmentation, dropout.
        first_frame: ``auto`` gives no mask. ``gt`` gives the reference mask of frame 0, which is then neither
            supervised nor scored. ``auto_unet`` trains like ``gt`` (the mask of another model is used at test).
        structures: a name of ``STRUCTURE_SETS``, or structures joined by ``+``.
        work_dir: receives ``checkpoints/``, ``log.jsonl``, ``training.log`` and ``tensorboard/``. A training that finds a
            checkpoint of the same job there goes on from it.
    """

    model_build: dict[str, Any]
    recipe: Recipe
    seed: int
    first_frame: FirstFrame
    structures: str
    work_dir: Path

    def __post_init__(self) -> None:
        if not isinstance(self.recipe, Recipe):
            # A frozen dataclass may be completed in __post_init__ only in this way.
            object.__setattr__(self, "recipe", Recipe.from_dict(self.recipe))
        object.__setattr__(self, "work_dir", Path(self.work_dir))
        if self.first_frame not in FIRST_FRAMES:
            raise unknown("first-frame protocol", self.first_frame, FIRST_FRAMES)

    @property
    def gives_first_mask(self) -> bool:
        """True where the reference mask of frame 0 is given in training."""
        return self.first_frame != "auto"

    @property
    def build(self) -> dict[str, Any]:
        """``model_build`` with the number of structures."""
        return {"num_structures": len(structure_names(self.structures)), **self.model_build}

    @property
    def checkpoints(self) -> Path:
        """Folder of ``last.pth``, ``previous.pth`` and ``best.pth``."""
        return self.work_dir / "checkpoints"

    def identity(self, data: str) -> str:
        """Hash of all that decides the weights; ``data`` is the fingerprint of the cache."""
        # Device and workers may change between sessions (a run can move to another machine); weights may then differ
        # in their last bits.
        recipe = identity_keys(self.recipe.to_dict())
        for key in _WITHOUT_INFLUENCE:
            del recipe[key]
        return canonical_hash([self.build, recipe, self.seed, self.first_frame, self.structures, data])


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSummary:
    """What came out of a training.

    Attributes:
        iterations: optimiser steps done.
        seconds: wall time of all sessions together, validation and checkpoints included.
        best_iteration, best_score: of the best validation (mean over patients of Dice at model resolution; NaN
            where no case could be scored).
        best_checkpoint: ``best.pth`` with ``{"model": state_dict, "iteration": int, "score": float}``.
        precision, device: what was used (``auto`` resolved).
        pretrained_parameters: how many parameters started from a file and learned at ``backbone_lr_factor``.
    """

    iterations: int
    seconds: float
    best_iteration: int
    best_score: float
    best_checkpoint: Path
    precision: str
    device: str
    pretrained_parameters: int = 0
