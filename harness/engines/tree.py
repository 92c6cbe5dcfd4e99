"""States of streams seen as trees: the tensors in them, everything else about them, and new ones of the same form.

A state may be nested dataclasses, tuples (named ones too), lists and dicts; its leaves are tensors and plain values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from torch import Tensor


def tensors_in(value: Any) -> list[Tensor]:
    """All tensors of a state, in a fixed order.

    Example:
        >>> import torch
        >>> [int(tensor) for tensor in tensors_in({"a": torch.tensor(1), "b": (None, [torch.tensor(2)], "text")})]
        [1, 2]
    """
    return [leaf for leaf in _leaves(value) if isinstance(leaf, Tensor)]


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A state of the same form with every tensor replaced by ``change(tensor)``; plain values stay."""
    if isinstance(value, Tensor):
        return change(value)
    children = _children(value)
    return value if children is None else _built(value, [mapped(child, change) for child in children])


def signature(value: Any) -> Hashable:
    """Equal for two states exactly when the work on them can differ in the tensors' values only.

    Devices, types, shapes, the form of the tree and all plain values count: a network may branch on any of them.
    """
    return tuple(_leaf_signature(leaf) for leaf in _leaves(value)), _form(value)


def _leaf_signature(leaf: Any) -> Hashable:
    if isinstance(leaf, Tensor):
        return leaf.device, leaf.dtype, tuple(leaf.shape)
    # A list of plain values has no hash, and its text says as much.
    return leaf if isinstance(leaf, Hashable) else repr(leaf)


def _form(value: Any) -> Hashable:
    children = _children(value)
    if children is None:
        return None
    return type(value), tuple(value) if isinstance(value, dict) else (), tuple(_form(child) for child in children)


def _leaves(value: Any) -> Iterator[Any]:
    children = _children(value)
    if children is None:
        yield value
        return
    for child in children:
        yield from _leaves(child)


def _children(value: Any) -> list[Any] | None:
    """Children of a node, or None for a leaf."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, tuple | list) else None


def _built(like: Any, children: list[Any]) -> Any:
    if dataclasses.is_dataclass(like) and not isinstance(like, type):
        names = [field.name for field in dataclasses.fields(like)]
        return dataclasses.replace(like, **dict(zip(names, children, strict=True)))
    if isinstance(like, dict):
        return dict(zip(like, children, strict=True))
    # a named tuple takes its fields one by one, a plain one takes a list
    return type(like)(*children) if hasattr(like, "_fields") else type(like)(children)
