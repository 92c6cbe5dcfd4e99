"""Where a training stands: the part of a checkpoint that is not tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(kw_only=True, slots=True)
class TrainingState:
    """Counters that a checkpoint carries.

    Attributes:
        iteration: optimiser steps done.
        validated: iteration whose weights were validated last; a checkpoint at a validation point that differs
            owes a validation, which a resumed run does first.
        best_iteration, best_score: the best validation so far, None before the first.
        stopped: a hook ended the training before its last iteration (mmengine's ``EarlyStoppingHook``).
        seconds: wall time of all sessions.
        pretrained_parameters: parameters that started from a file and learn at ``backbone_lr_factor``.
    """

    iteration: int = 0
    validated: int = 0
    best_iteration: int | None = None
    best_score: float | None = None
    stopped: bool = False
    seconds: float = 0.0
    pretrained_parameters: int = 0

    def finished(self, iterations: int) -> bool:
        """Whether a training of ``iterations`` steps has come to its end, the last validation included.

        >>> TrainingState(iteration=5, validated=0).finished(5)
        False
        >>> TrainingState(iteration=5, validated=5).finished(5)
        True
        """
        return (self.stopped or self.iteration >= iterations) and self.validated == self.iteration

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        return asdict(self)
