"""Loading state dicts of published code into our modules, by renaming, strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from harness.tensors import read_tensors

Rules = Sequence[tuple[str, str | None]]
"""Pairs (regular expression for the beginning of a published name, our beginning or None for "not needed")."""


CONTAINERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights")
"""Keys below which training code keeps its state dict."""
_WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a checkpoint: a state dict, bare or under one of ``CONTAINERS`` (nested ones too).

    ``module.`` (data parallel) and ``_orig_mod.`` (compiled) are taken off the names. Only tensors and plain types are
    unpickled; values that are no tensors are left out.

    Raises:
        ValueError: the file is missing, cannot be read, or holds no tensors.
    """
    try:
        content = read_tensors(path, unchecked=True)  # authors still publish the format that has no checksums
    except FileNotFoundError as error:
        raise ValueError(f"The checkpoint {path} does not exist.") from error
    except Exception as error:  # torch and pickle raise nearly anything on bytes that are no checkpoint
        raise ValueError(
            f"The checkpoint {path} cannot be read as tensors and plain types: {_reason(error)}."
        ) from error
    state = {_WRAPPERS.sub("", str(k)): v for k, v in _innermost(content).items() if isinstance(v, Tensor)}
    if not state:
        raise ValueError(f"The checkpoint {path} holds no state dict.")
    return state


def _innermost(content: object) -> Mapping[Any, Any]:
    """The mapping inside all containers; an empty one where there is none."""
    if not isinstance(content, Mapping):
        return {}
    inside = next((content[key] for key in CONTAINERS if isinstance(content.get(key), Mapping)), None)
    return content if inside is None else _innermost(inside)


def _reason(error: Exception) -> str:
    """What is wrong with a file, in words of one line."""
    text = str(error)
    foreign = re.search(r"Unsupported global: GLOBAL (\S+)", text)
    if foreign:
        return f"it needs the Python class {foreign.group(1)}; save the state dict alone"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is no checkpoint of PyTorch, or a damaged one"


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
