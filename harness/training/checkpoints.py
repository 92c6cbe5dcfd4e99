"""Checkpoints that survive a kill at any moment: tensors and plain types, atomic files, one predecessor kept."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch

from harness.errors import TrainingError
from harness.files import atomic_file, rename
from harness.tensors import read_tensors

FORMAT = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Replace ``path`` by ``content``, atomically."""
    with atomic_file(path) as stream:
        torch.save(content, stream)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True`` after checking the checksums inside the file.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    try:
        content = read_tensors(path, device)
    except FileNotFoundError:
        raise TrainingError(f"The checkpoint {path} does not exist.") from None
    except ValueError as error:
        raise TrainingError(f"The checkpoint {path} is damaged ({error}); remove it and train again.") from error
    if not isinstance(content, dict):
        raise TrainingError(f"The checkpoint {path} was not written by this engine; remove it and train again.")
    return content


def save_last(folder: Path, content: dict[str, Any]) -> None:
    """Write ``last.pth`` and keep the one before as ``previous.pth``.

    A kill between the two renames leaves only ``previous.pth``, from which a run resumes just as exactly.
    """
    last = folder / "last.pth"
    # At the first save there is nothing to keep.
    with contextlib.suppress(FileNotFoundError):
        rename(last, folder / "previous.pth")
    save(last, content)


def load_last(folder: Path, identity: str) -> dict[str, Any] | None:
    """The newest checkpoint of ``folder`` that is whole, or None where there is none.

    A damaged ``last.pth`` gives way to ``previous.pth``; what was computed since then is computed again.

    Raises:
        TrainingError: no checkpoint is whole, or it belongs to another job.
    """
    problem: TrainingError | None = None
    for path in (folder / "last.pth", folder / "previous.pth"):
        if not path.is_file():
            continue
        try:
            content = load(path)
        except TrainingError as error:
            # The newest file is named in the error, because it is the one that somebody has to remove.
            problem = problem or error
            continue
        _check(path, content, identity)
        return content
    if problem is not None:
        raise problem
    return None


def _check(path: Path, content: dict[str, Any], identity: str) -> None:
    if content.get("format") != FORMAT:
        raise TrainingError(f"The checkpoint {path} was not written by this engine; remove it and train again.")
    # Weights of another recipe would load without a word wherever the shapes agree.
    if content["job"] != identity:
        raise TrainingError(
            f"The checkpoint {path} belongs to another job (other model, recipe, seed or data); "
            "use another folder or remove it."
        )
