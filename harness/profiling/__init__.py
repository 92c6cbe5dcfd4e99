"""Latency, complexity and memory of models, each measured in a process of its own."""

from harness.profiling.profile import profile_model
from harness.profiling.settings import ProfileSettings
from harness.store.formats.profile import PROFILE_COLUMNS

__all__ = ["PROFILE_COLUMNS", "ProfileSettings", "profile_model"]
