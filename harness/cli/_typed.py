"""The command as it was typed, for the record: without what differs from machine to machine."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence


def typed(arguments: Sequence[str], *, flags: Collection[str] = ()) -> str:
    """``echobench …`` with the dataset's folder replaced by ``ROOT``.

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
    return f"echobench {shlex.join(kept)}"
