"""Values that shell completion offers. It must answer at once, so only names of files are read here, never a library."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from harness import config
from harness.errors import ConfigError

Names = Callable[[click.Context], Iterable[str]]


class Named(click.ParamType):
    """Text for which completion knows names. Other text is accepted too: who reads it says what is wrong with it.

    Args:
        names: what there is to choose from, asked when the user presses the key.
        paths: whether a file may be named instead; completion then offers files where no name fits.
    """

    name = "text"

    def __init__(self, names: Names, *, paths: bool = False) -> None:
        self.names, self.paths = names, paths

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names that begin with what is typed, or the shell's own completion of files."""
        items = [CompletionItem(name) for name in _safely(self.names, ctx) if name.startswith(incomplete)]
        return items or ([CompletionItem(incomplete, type="file")] if self.paths else [])


class Device(Named):
    """A device that models are run on; torch knows further ones, of which some hold no numbers (``meta``)."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word as it is; ``ConfigError`` for any other device."""
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ConfigError(f"The device must be auto, cpu, cuda or cuda:N, got '{value}'.")
        return value


class CommaList(click.ParamType):
    """``a,b,c`` → ``("a", "b", "c")``; with ``kind=int`` each item is a whole number.

    Args:
        kind: ``str``, ``int`` or ``float``.
        names: what completion offers for each item.
    """

    def __init__(self, kind: type = str, names: Names | None = None) -> None:
        self.kind, self.names = kind, names
        self.name = "a,b,..." if kind is str else "0,1,..."
        self._wanted = "whole numbers such as 0,1,2" if kind is int else "numbers such as 25,80"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Split at commas; empty items are left out."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(item.strip()) for item in value.split(",") if item.strip())
        except ValueError:
            return self.fail(f"'{value}' is not a list of {self._wanted}.", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The last item is completed; names that stand before it are not offered again."""
        # The shell hands over the whole word up to the cursor and replaces all of it.
        before, comma, last = incomplete.rpartition(",")
        names = [] if self.names is None else _safely(self.names, ctx)
        fitting = (name for name in names if name.startswith(last) and name not in before.split(","))
        return [CompletionItem(f"{before}{comma}{name}") for name in fitting]


def configs(kind: str) -> Names:
    """Names of the configs of one kind."""
    return lambda ctx: config.list_configs(kind)


def words(*values: str) -> Names:
    """These words."""
    return lambda ctx: values


def engines(ctx: click.Context) -> list[str]:
    """The engines of the harness and of installed distributions, found without importing any of them."""
    # In here: it reads the metadata of every installed package, and only who completes `--engines` has to wait for
    # that.
    from importlib.metadata import entry_points

    return [
        "eager",
        "compile",
        "openvino",
        "cuda_graph",
        *(point.name for point in entry_points(group="echobench.engines")),
    ]


def runs(ctx: click.Context) -> list[str]:
    """Names of the runs in the store of ``--results-dir``."""
    root = Path(ctx.params.get("results_dir") or "results/runs")
    return [path.parent.relative_to(root).as_posix() for path in sorted(root.glob("*/*/run.json"))]


def reports(ctx: click.Context) -> list[str]:
    """Names of the reports in ``--reports-dir``: folders with a manifest (``harness.store.formats.manifest``)."""
    root = Path(ctx.params.get("reports_dir") or "reports")
    patterns = ("suite.json", "study.json", "robustness/robustness.json")
    return sorted({path.relative_to(root).parts[0] for pattern in patterns for path in root.glob(f"*/{pattern}")})


def perturbations(ctx: click.Context) -> list[str]:
    """Names of all perturbations: those that have calibrated severities, and the two that nothing can be calibrated of."""
    table = Path(config.__file__).parent / "perturbations" / "ladders.csv"
    with open(table, encoding="utf-8", newline="") as stream:
        # Not by the ladder's own reader, which needs pandas: the user has pressed a key and waits.
        rows = csv.DictReader(line for line in stream if not line.startswith("#"))
        return sorted({row["perturbation"] for row in rows} | {"blank_frames", "repeated_frames"})


def _safely(names: Names, ctx: click.Context) -> list[str]:
    try:
        return list(names(ctx))
    except Exception:  # a broken store or a folder without rights must not write a traceback into the user's prompt
        return []
