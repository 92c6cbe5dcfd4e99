"""Errors that a user can act on: one plain sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """Base of every error that the command line prints as one sentence, without a traceback."""

    exit_code = 2


class ConfigError(BenchError):
    """An unknown or contradictory option, name or config value."""


class DataError(BenchError):
    """A dataset root, file or cache that is missing, damaged or not what it claims to be."""


class TrainingError(BenchError):
    """Training that cannot go on: a non-finite loss, a damaged checkpoint."""

    exit_code = 3


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest valid name, or ``""`` when none is close."""
    lowered = {candidate.lower(): candidate for candidate in valid}
    matches = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.5)
    return f" Did you mean '{lowered[matches[0]]}'?" if matches else ""


def unknown(kind: str, name: str, valid: Iterable[str], where: str = "") -> ConfigError:
    """Build the error for an unknown ``kind`` (model, dataset, option ...) called ``name``."""
    names = sorted(valid)
    place = f" in {where}" if where else ""
    listing = ", ".join(names) if names else "none"
    return ConfigError(f"Unknown {kind} '{name}'{place}.{nearest(name, names)} Valid: {listing}.")
