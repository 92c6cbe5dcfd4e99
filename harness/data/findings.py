"""What a check of a dataset's folder says: one line per kind of finding, and names shortened for a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of a root's check.

    Attributes:
        level: ``error`` stops the use of the root, ``warning`` is worth a look, ``note`` only informs.
        check: what was looked at (``files``, ``labels``, ``leakage``, ...).
        message: the finding in words.
        count: how many items (clips, patients, files) it concerns.
    """

    level: Level
    check: str
    message: str
    count: int = 1


def shorten(names: Iterable[str], limit: int = 3) -> str:
    """A few names of a list, for a sentence.

    >>> shorten(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    items = list(names)
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
