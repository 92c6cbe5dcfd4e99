"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
Decorators = list[Callable[[Any], Any]]


class CommaList(click.ParamType):
    """``a,b,c`` → ``("a", "b", "c")``; with ``kind=int`` each item is a whole number."""

    def __init__(self, kind: type = str) -> None:
        self.kind = kind
        self.name = "a,b,..." if kind is str else "0,1,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Split at commas; empty items are left out."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(item.strip()) for item in value.split(",") if item.strip())
        except ValueError:
            return self.fail(f"'{value}' is not a list of whole numbers such as 0,1,2.", param, ctx)


def data_options(function: F) -> F:
    """--dataset --root --views --clip --allow-partial --split-dir --data-dir."""
    options: Decorators = [
        click.option("--dataset", help="Name of a dataset config: phantom, camus, ... (default: the suite's)."),
        click.option("--root", type=click.Path(), help="Folder of the dataset; the phantom is generated without one."),
        click.option("--views", type=CommaList(), help="Views to use, e.g. 4CH or 2CH,4CH."),
        click.option("--clip", help="ed_es (the two stills) or half (the half sequence)."),
        click.option(
            "--allow-partial", is_flag=True, default=None, help="Accept an incomplete root; results carry the mark."
        ),
        click.option("--split-dir", type=click.Path(), help="Folder with the split lists, where the root has none."),
        click.option(
            "--data-dir", default="data", show_default=True, help="Where phantoms and prepared caches are kept."
        ),
    ]
    return _apply(function, options)


def suite_options(function: F) -> F:
    """--suite --models --size --recipe --seeds --structures --first-frame --name --set."""
    options: Decorators = [
        click.option(
            "--suite", default="small", show_default=True, help="Name of a suite config: what is left open below."
        ),
        click.option("--models", type=CommaList(), help="Models: names, config paths, or mmseg:TEMPLATE."),
        click.option("--size", help="Model size: small (CPU) or paper."),
        click.option("--recipe", help="Training recipe (default: the dataset's for this size)."),
        click.option("--seeds", type=CommaList(int), help="Seeds, e.g. 0,1,2."),
        click.option("--structures", help="lv (the paper's protocol) or all (LV, myocardium, LA)."),
        click.option(
            "--first-frame",
            help="auto (no mask is given), auto_unet (the U-Net's mask of frame 0) or gt (the reference mask).",
        ),
        click.option("--name", help="Name of the report's folder (default: made from the options)."),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override a config value, e.g. recipe.iterations=100; repeatable.",
        ),
    ]
    return _apply(function, options)


def store_options(function: F) -> F:
    """--results-dir --reports-dir."""
    options: Decorators = [
        click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept."),
        click.option(
            "--reports-dir", default="reports", show_default=True, help="Where tables and figures are written."
        ),
    ]
    return _apply(function, options)


def _apply(function: F, options: Decorators) -> F:
    for option in reversed(options):
        function = option(function)
    return function
