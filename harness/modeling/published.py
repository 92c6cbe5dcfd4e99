"""Loading state dicts of published code into our modules, by renaming, strictly."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

Rules = Sequence[tuple[str, str | None]]
"""Pairs (regular expression for the beginning of a published name, our beginning or None for "not needed")."""


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a checkpoint: a state dict, bare or under ``state_dict``, ``model`` or ``network``; ``module.`` is taken off.

    Only tensors and plain types are unpickled.

    Raises:
        ValueError: the file is missing, cannot be read, or holds no tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"The checkpoint {path} cannot be read as tensors and plain types: {reason}") from error
    for key in ("state_dict", "model", "network"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = content if isinstance(content, Mapping) else {}
    state = {str(k).removeprefix("module."): v for k, v in tensors.items() if isinstance(v, Tensor)}
    if not state:
        raise ValueError(f"The checkpoint {path} holds no state dict.")
    return state


def renamed(name: str, rules: Rules) -> str | None:
    """Our name of a published tensor: the first rule that fits its beginning; a name that no rule fits stays."""
    for pattern, ours in rules:
        match = re.match(pattern, name)
        if match:
            return None if ours is None else match.expand(ours) + name[match.end() :]
    return name


def load_renamed(model: nn.Module, state: Mapping[str, Tensor], rules: Rules) -> None:
    """Load a published state dict into ``model``; nothing may be missing, left over or of another shape.

    ``num_batches_tracked`` counters may be missing (old files have none): they do not enter any output.

    Raises:
        ValueError: names or a shape that do not fit; the model is then unchanged.
    """
    names = {published: renamed(published, rules) for published in state}
    found = {ours: state[published] for published, ours in names.items() if ours is not None}
    own = model.state_dict()
    missing = sorted(name for name in own.keys() - found.keys() if not name.endswith("num_batches_tracked"))
    unexpected = sorted(name for name, ours in names.items() if ours is not None and ours not in own)
    if missing or unexpected:
        raise ValueError(
            f"The state dict does not fit: {len(missing)} tensors are missing {missing[:5]}, "
            f"{len(unexpected)} are unexpected {unexpected[:5]}."
        )
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            got, expected = tuple(tensor.shape), tuple(own[name].shape)
            raise ValueError(f"The tensor for {name} must have shape {expected}, got {got}.")
    model.load_state_dict({**own, **found})
