"""The only consoles of this house: what is printed is text, and never markup.

rich reads ``[b]`` in a string as markup: a label, a folder or a reason with brackets would vanish or raise an error.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console


def console(*, errors: bool = False, **settings: Any) -> Console:
    """A console on standard output, or on standard error.

    Args:
        errors: stderr.
        settings: further arguments of ``rich.console.Console``.

    Example:
        >>> console(width=40).print("a label [/b] and x[y]")
        a label [/b] and x[y]
    """
    return Console(stderr=errors, **{"markup": False, "emoji": False, "highlight": False, **settings})
