"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from harness.cli import _complete
from harness.cli._complete import CommaList, Device, Named
from harness.modules import trust_records
from harness.vocabulary import FIRST_FRAMES

F = TypeVar("F", bound=Callable[..., Any])
Decorators = list[Callable[[Any], Any]]

SIZE = Named(_complete.words("small", "paper"))
RECIPE = Named(_complete.configs("recipes"), paths=True)
STRUCTURES = Named(_complete.words("lv", "all"))
FIRST_FRAME = Named(_complete.words(*FIRST_FRAMES))
DEVICE = Device(_complete.words("auto", "cpu", "cuda"))
RUN = Named(_complete.runs)
RUNS = CommaList(names=_complete.runs)
REPORT = Named(_complete.reports)
REPORTS = CommaList(names=_complete.reports)
PERTURBATIONS = CommaList(names=_complete.perturbations)
METRICS = CommaList(names=_complete.words("overlap", "surface", "hd95_pooled", "dice_rowwise"))


def data_options(function: F) -> F:
    """--dataset --root --views --clip --allow-partial --split-dir --fold --data-dir."""
    options: Decorators = [
        click.option(
            "--dataset",
            type=Named(_complete.configs("datasets"), paths=True),
            help="Name of a dataset config: phantom, camus, ... (default: that of the suite or of the runs; else required).",
        ),
        click.option("--root", type=click.Path(), help="Folder of the dataset; the phantom is generated without one."),
        click.option(
            "--views", type=CommaList(names=_complete.words("2CH", "4CH")), help="Views to use, e.g. 4CH or 2CH,4CH."
        ),
        click.option(
            "--clip",
            type=Named(_complete.words("ed_es", "half", "cine", "cycle", "beats", "labelled")),
            help="ed_es (the two stills), half (the half sequence), cine (clips made from the stills); of the phantom also cycle "
            "(a whole beat) and beats (several), of a folder of your own labelled.",
        ),
        click.option(
            "--allow-partial", is_flag=True, default=None, help="Accept an incomplete root; results carry the mark."
        ),
        click.option("--split-dir", type=click.Path(), help="Folder with the split lists, where the root has none."),
        click.option("--fold", type=click.IntRange(0), help="Test fold of data with folds (docs/datasets.md)."),
        click.option(
            "--data-dir", default="data", show_default=True, help="Where phantoms and prepared caches are kept."
        ),
    ]
    return _apply(function, options)


def suite_options(function: F) -> F:
    """--suite --models --size --recipe --seeds --structures --first-frame --report --set."""
    options: Decorators = [
        click.option(
            "--suite",
            type=Named(_complete.configs("suites"), paths=True),
            default="small",
            show_default=True,
            help="Name of a suite config: what is left open below.",
        ),
        click.option(
            "--models",
            type=CommaList(names=_complete.configs("models")),
            help="Models: names, config paths, or mmseg:TEMPLATE.",
        ),
        click.option("--size", type=SIZE, help="Model size: small or narrow (CPU), or paper."),
        click.option("--recipe", type=RECIPE, help="Training recipe (default: the dataset's for this size)."),
        click.option("--seeds", type=CommaList(int), help="Seeds, e.g. 0,1,2."),
        click.option(
            "--structures",
            type=STRUCTURES,
            help="lv (the paper's protocol), all (LV, myocardium, LA), or names joined by +, e.g. lv+rv.",
        ),
        click.option(
            "--first-frame",
            type=FIRST_FRAME,
            help="auto (no mask is given), auto_unet (the U-Net's mask of frame 0) or gt (the reference mask).",
        ),
        click.option("--report", "name", type=REPORT, help="Name of the report (default: made from the options)."),
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


def trust_option(function: F) -> F:
    """--trust: models of users' own files are imported where only a run's record names them."""
    return click.option(
        "--trust",
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, param, value: trust_records() if value else None,
        help="Run the code of a model of one's own that only the run's record names.",
    )(function)


def _apply(function: F, options: Decorators) -> F:
    for option in reversed(options):
        function = option(function)
    return function
