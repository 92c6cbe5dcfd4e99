"""echobench score: masks of any other program beside the models that are trained here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli._complete import Named, configs
from harness.cli._options import FIRST_FRAME, METRICS, RECIPE, REPORT, SIZE, STRUCTURES, data_options, store_options
from harness.cli._typed import typed
from harness.errors import ConfigError


@click.command()
@click.argument("masks", type=click.Path(path_type=Path))
@click.option("--label", required=True, help="What tables call the method, e.g. nnU-Net.")
@click.option(
    "--seed",
    "others",
    type=(int, click.Path(path_type=Path)),
    multiple=True,
    metavar="K FOLDER",
    help="Masks of another training of the method: its number and its folder; repeatable. MASKS is training 0.",
)
@click.option(
    "--map", "names", type=click.Path(path_type=Path), help="CSV with file, case and frame, as an export writes it."
)
@click.option(
    "--missing",
    type=click.Choice(["refuse", "empty"]),
    default="refuse",
    show_default=True,
    help="What is done about cases without masks: nothing is scored, or they count as empty masks.",
)
@click.option("--resize", is_flag=True, help="Bring masks of another size to the clips' size (nearest pixel).")
@click.option(
    "--cost", type=click.Path(path_type=Path), help="JSON with measured cost: fps, parameters, ... (docs/score.md)."
)
@click.option("--metrics", type=METRICS, default="overlap,surface", show_default=True, help="What is measured.")
@data_options
@click.option(
    "--suite", type=Named(configs("suites"), paths=True), default="small", show_default=True, help="As in bench."
)
@click.option("--size", type=SIZE, help="As in bench: the models to stand beside, small or paper.")
@click.option("--recipe", type=RECIPE, help="As in bench.")
@click.option("--structures", type=STRUCTURES, help="lv, all (LV, myocardium, LA), or names joined by +, e.g. lv+rv.")
@click.option("--first-frame", type=FIRST_FRAME, help="gt where the program was given the reference mask of frame 0.")
@click.option(
    "--report", "name", type=REPORT, help="Report to stand in; of one that is there data and protocol are taken."
)
@click.option("--limit", type=click.IntRange(1), help="As in bench: the first so many patients of each split.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As in bench; repeatable.")
@store_options
def command(
    masks: Path,
    label: str,
    others: tuple[tuple[int, Path], ...],
    names: Path | None,
    missing: Any,
    resize: bool,
    cost: Path | None,
    metrics: tuple[str, ...],
    data_dir: str,
    results_dir: str,
    reports_dir: str,
    **chosen: Any,
) -> None:
    """Score the folder MASKS, made by any other program, as a run beside those of `bench`: same rows, tests, tables and page.

    Files are called <case>.nii.gz, .npz, .npy or <case>_<frame>.png (or are named in --map). With the options that `bench` was
    given the masks stand in the report of those runs. Examples:

        echobench score predictions --label nnU-Net --report phantom-2ch+4ch-half-small --map export/cases.csv

        echobench score s0 --label MyNet --seed 1 s1 --seed 2 s2 --dataset camus --root CAMUS
    """
    from harness.api.external import run_score
    from harness.evaluation.scoring import Scoring
    from harness.experiments import SuiteOptions
    from harness.experiments.external import read_cost, told
    from harness.reporting import print_report

    # `--seed 0 FOLDER` would replace MASKS without a word; the count below notices.
    folders = {0: masks, **dict(others)}
    if len(folders) < 1 + len(others):
        raise ConfigError("Two folders have the same number of a training; MASKS is 0, number the others from 1.")
    scored = run_score(
        folders,
        label,
        SuiteOptions(data_root=Path(data_dir), **chosen),
        names=names,
        scoring=Scoring(missing=missing, resize=resize),
        metrics=metrics,
        cost=None if cost is None else read_cost(cost, label),
        results=Path(results_dir),
        reports=Path(reports_dir),
        command=typed(sys.argv[1:]),
    )
    for run in scored.runs:
        click.echo(f"{label}, seed {run.spec.seed}: {run.name}")
        for line in told(run):
            click.echo(line)
    if scored.left_out:
        click.echo(
            f"Left out of the report, because their code has changed since: {', '.join(scored.left_out)}; bench or score them again."
        )
    print_report(scored.results, scored.written)
