"""The command as it was typed, for the record: without what differs from machine to machine."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence


def typed(arguments: Sequence[str], *, flags: Collection[str] = (), options: Collection[str] = ()) -> str:
    """``echobench …`` with the dataset's folder replaced by ``ROOT``.

    Args:
        arguments: as in ``sys.argv[1:]``; options stand as ``--name VALUE`` or ``--name=VALUE``.
        flags: switches to leave out.
        options: options to leave out with their value.
    """
    kept: list[str] = []
    previous = ""
    for word in arguments:
        name, equals, _ = word.partition("=")
        if previous == "--root":
            kept.append("ROOT")
        elif name == "--root" and equals:
            kept.append("--root=ROOT")
        elif previous not in options and name not in (*options, *flags):
            kept.append(word)
        previous = "" if previous == "--root" or previous in options else word
    return f"echobench {shlex.join(kept)}"
