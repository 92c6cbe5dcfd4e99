"""The command as it was typed, for the record: without what differs from machine to machine."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from harness.errors import without_secrets


def typed(arguments: Sequence[str], *, flags: Collection[str] = ()) -> str:
    """``echobench …`` with the dataset's folder replaced by ``ROOT``, without passwords and folders of this machine.

    Args:
        arguments: as in ``sys.argv[1:]``; options stand as ``--name VALUE`` or ``--name=VALUE``.
        flags: switches to leave out.
    """
    kept: list[str] = []
    previous = ""
    for word in arguments:
        name, equals, _ = word.partition("=")
        if previous == "--root":
            kept.append("ROOT")
        elif name == "--root" and equals:
            kept.append("--root=ROOT")
        elif name not in flags:
            kept.append(word)
        previous = "" if previous == "--root" else word
    return f"echobench {shlex.join(map(_portable, kept))}"


def _portable(word: str) -> str:
    """A word without passwords, and without the folders of this machine: an absolute path keeps its last name.

    >>> _portable("--split-dir=/home/alice/lists"), _portable("results/runs")
    ('--split-dir=PATH/lists', 'results/runs')
    """
    name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    scheme, colon, path = value.partition(":") if value.startswith(("sqlite:", "journal:")) else ("", "", value)
    if path.startswith(("/", "~")) and not scheme:
        path = f"PATH/{Path(path).name}"
    elif scheme and "/" in path:
        path = f"///PATH/{Path(path).name}" if path.startswith("///") else f"PATH/{Path(path).name}"
    return without_secrets(f"{name}{equals}{scheme}{colon}{path}")
