"""How the code reads in numbers, by package: lines, functions, docstrings, comments that stand on lines of their own.

    make style
    python tools/style.py harness/store gdkvm

A comment counts where it is a line of its own or follows code, unless it only speaks to a tool (``noqa``, ``type:``,
``fmt:``). Lines are those with something on them. Public is what can be reached by names without an underscore.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("harness", "gdkvm", "baselines", "kernels", "benchmarks", "tools", "tests")
TOOLS = ("noqa", "type:", "fmt:", "pragma", "ruff:", "!")
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Count:
    """Figures of one file, or of several joined."""

    lines: int
    comments: int
    functions: tuple[int, ...]
    public: int
    documented: int


def count(file: Path) -> Count:
    """Read one Python file."""
    text = file.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [item.string.lstrip("#: ") for item in tokens if item.type == tokenize.COMMENT]
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    definitions = list(public_definitions(tree))
    return Count(
        lines=sum(bool(line.strip()) for line in text.splitlines()),
        comments=sum(not comment.startswith(TOOLS) for comment in comments),
        functions=tuple((node.end_lineno or node.lineno) - node.lineno + 1 for node in functions),
        public=len(definitions),
        documented=sum(ast.get_docstring(node) is not None for node in definitions),
    )


def public_definitions(tree: ast.Module) -> Iterator[Definition]:
    """Classes, functions and methods that can be reached by names without an underscore."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, Definition) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)


def joined(counts: list[Count]) -> Count:
    """The figures of several files together."""
    return Count(
        lines=sum(item.lines for item in counts),
        comments=sum(item.comments for item in counts),
        functions=tuple(length for item in counts for length in item.functions),
        public=sum(item.public for item in counts),
        documented=sum(item.documented for item in counts),
    )


def row(name: str, counts: list[Count]) -> str:
    """One line of the table."""
    total = joined(counts)
    lengths = sorted(total.functions) or [0]
    late = lengths[int(0.9 * (len(lengths) - 1))]
    docstrings = f"{100 * total.documented / total.public:.0f} %" if total.public else "--"
    return (
        f"| {name} | {len(counts)} | {total.lines} | {statistics.median(lengths):.0f} / {late} / {lengths[-1]} "
        f"| {docstrings} | {100 * total.comments / max(1, total.lines):.1f} |"
    )


def main() -> None:
    """Print the table of the packages named on the command line (default: all)."""
    print("| package | files | lines | function median / p90 / max | public docstrings | comments per 100 lines |")
    print("| :-- | --: | --: | --: | --: | --: |")
    everything = []
    for name in sys.argv[1:] or PACKAGES:
        files = sorted((ROOT / name).rglob("*.py"))
        counts = [count(file) for file in files]
        everything += counts
        if counts:
            print(row(name, counts))
    print(row("all", everything))


if __name__ == "__main__":
    main()
