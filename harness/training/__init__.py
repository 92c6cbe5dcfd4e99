"""Training: one engine for all models, with exact resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.training.job import TrainingJob, TrainingSummary
from harness.training.recipe import Recipe
from harness.training.watcher import Watcher

if TYPE_CHECKING:
    from harness.training.engine import train

__all__ = ["Recipe", "TrainingJob", "TrainingSummary", "Watcher", "train"]


def __getattr__(name: str) -> Any:
    # Only when something is trained: the engine needs mmengine's runner and hooks, which take seconds to import.
    if name == "train":
        from harness.training.engine import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
