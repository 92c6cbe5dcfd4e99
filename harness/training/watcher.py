"""What looks on while a model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Watcher:
    """Looks on at a training's moments; each method does nothing unless a subclass says otherwise.

    Not one of mmengine's hooks: importing those takes seconds (they load torch's distributed optimisers), which commands that
    read, report or measure without training would pay too.

    Attributes:
        priority: as for mmengine's hooks: ``HIGHEST`` to ``LOWEST``.
    """

    priority = "NORMAL"

    def before_training(self, runner: Any) -> None:
        """The first step of this session comes next."""

    def after_step(self, runner: Any) -> None:
        """Weights have changed; nothing is logged or saved of this step yet."""

    def after_validation(self, runner: Any, scores: Mapping[str, float]) -> None:
        """``scores``: what the validation came to, under ``score`` the one that selects; may be NaN."""
