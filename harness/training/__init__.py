"""Training: one engine for all models, with exact resume."""

from harness.training.engine import train
from harness.training.job import TrainingJob, TrainingSummary
from harness.training.recipe import Recipe

__all__ = ["Recipe", "TrainingJob", "TrainingSummary", "train"]
