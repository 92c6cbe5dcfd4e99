"""Perturbations by what a user calls them: registered names, or files of the user's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import ConfigError, unknown
from harness.modules import file_of
from harness.perturbations.base import Perturbation
from harness.registry import PERTURBATIONS, list_perturbations, registered_by

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def chosen_perturbations(names: Sequence[str] | None, *, passing: bool = False) -> list[str]:
    """Registered names of the perturbations that are asked for; None stands for all of the package's own.

    Args:
        names: registered names, and paths of files (``*.py``), each of which stands for every perturbation that it registers.
        passing: also take those that are faults only while they pass.

    Raises:
        ConfigError: an unknown name, no such file, a file that registers none, or a class that is none.
    """
    if names is None:
        return list_perturbations(passing=passing)
    known = list_perturbations(passing=passing, plugins=True)
    chosen: list[str] = []
    for name in names:
        if name.endswith(".py"):
            chosen += _own(name, passing)
        elif name not in known:
            raise unknown("perturbation", name, known)
        else:
            chosen.append(name)
    return list(dict.fromkeys(chosen))


def _own(file: str, passing: bool) -> list[str]:
    found = registered_by(PERTURBATIONS, file, "perturbation")
    for kind in found.values():
        if not (isinstance(kind, type) and issubclass(kind, Perturbation)):
            raise ConfigError(
                f"{kind.__name__} in {file} is no perturbation; derive it from harness.perturbations.Perturbation."
            )
        # Rows, files and tables know a perturbation by this name alone.
        if not _NAME.fullmatch(str(getattr(kind, "name", ""))) or kind.name in list_perturbations(
            passing=True, plugins=True
        ):
            raise ConfigError(
                f"{kind.__name__} in {file} needs a name of its own of small letters, digits and underscores, such as name = "
                f'"my_noise"; it has {getattr(kind, "name", None)!r}.'
            )
        if kind.passing and not passing:
            raise ConfigError(f"{kind.name} is a fault only while it passes; sweep it with --when passing:N.")
    return list(found)


def user_files(names: Sequence[str]) -> tuple[str, ...]:
    """The users' files that perturbations of these registered names are defined in, as paths."""
    files: list[Path | None] = [file_of(PERTURBATIONS.get(name)) for name in names]
    return tuple(dict.fromkeys(str(file) for file in files if file is not None))


def require_ladders(names: Sequence[str], reference: str = "camus") -> None:
    """Raise ``ConfigError`` where a perturbation has no strengths for its severities: told before any model is loaded."""
    for name in names:
        perturbation: Perturbation = PERTURBATIONS.build({"type": name, "reference": reference})
        if len(perturbation.ladder) != 5:
            raise ConfigError(
                f"{perturbation.name} has {len(perturbation.ladder)} strengths; give one for each severity 1 to 5."
            )
