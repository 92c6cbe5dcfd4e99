"""echobench robustness: calibrate perturbations, sweep finished runs over them, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import config
from harness.cli._complete import CommaList, words
from harness.cli._group import PlainGroup
from harness.cli._options import PERTURBATIONS, data_options, trust_option
from harness.cli._sweeps import chosen_runs, run_choice
from harness.cli._typed import typed
from harness.errors import ConfigError
from harness.vocabulary import counted

if TYPE_CHECKING:
    from harness.data import PreparedCache
    from harness.experiments.sweep.sweep import SweepOptions
    from harness.store.runs import Run


WHEN = click.option(
    "--when", default="always", show_default=True, help="always, or passing:N for a fault that passes in N frames."
)


@click.group(cls=PlainGroup)
def command() -> None:
    """How models behave when the image gets worse: ultrasound's own perturbations at five calibrated severities."""


@command.command("calibrate")
@data_options
@click.option("--image-size", default=128, show_default=True, help="Side of the frames in pixels.")
@click.option("--clips", default=12, show_default=True, help="Validation clips, evenly spread over the patients.")
@click.option("--clip-length", default=4, show_default=True, help="Frames of each clip (fewer where it has fewer).")
@click.option("--perturbations", type=PERTURBATIONS, help="Only these: names, or files of your own (default: all).")
@click.option("--passing", is_flag=True, help="Those that are faults only while they pass, on whole sequences.")
@click.option("--table", type=click.Path(path_type=Path), help="Table to update (default: the package's own).")
def calibrate_command(
    dataset: str | None,
    data_dir: str,
    image_size: int,
    clips: int,
    clip_length: int,
    perturbations: tuple[str, ...] | None,
    passing: bool,
    table: Path | None,
    **choices: Any,
) -> None:
    """Set the five severities of each perturbation so that all have the same mean SSIM on validation clips.

    With --passing: of the frames under a fault that passes in four of them; blank and repeated frames keep their fixed steps.

    Example: echobench robustness calibrate --dataset phantom
    """
    from harness.experiments.sweep.clips import model_frames, pixel_aspect, spread_clips
    from harness.jobs import Progress
    from harness.perturbations.base import LADDERS
    from harness.perturbations.calibration import calibrate, reference_clips
    from harness.perturbations.choice import chosen_perturbations, user_files
    from harness.perturbations.ladders import write_ladders

    names = _to_be_matched(chosen_perturbations(perturbations, passing=passing), passing)
    if (files := user_files(names)) and table is None:
        raise ConfigError(
            f"The ladders of a perturbation of your own go into a table of yours: give --table {Path(files[0]).with_suffix('.csv').name} "
            "(beside its file and with its name it is found there)."
        )
    cache = _data(dataset, choices, image_size, data_dir)
    found = spread_clips(cache.split("val"), clips)
    reference = reference_clips(
        (c.case.name, model_frames(c, None if passing else min(clip_length, len(c))), pixel_aspect(c)) for c in found
    )
    with Progress("calibrating", len(names), unit="perturbations") as bar:
        rows = calibrate(cache.name, reference, names, tick=bar.advance)
    path = write_ladders(rows, typed(sys.argv[1:]), table or LADDERS)
    missed = sorted(rows.loc[~rows["reached"], "perturbation"].unique())
    click.echo(f"{len(rows)} rows of '{cache.name}' from {len(reference)} clips: {path}")
    if missed:
        click.echo(f"Spread over the similarity they reach, which is not that of the others: {', '.join(missed)}.")


@command.command("run")
@data_options
@run_choice
@click.option("--perturbations", type=PERTURBATIONS, help="Only these: names, or files of your own (default: all).")
@click.option("--severities", type=CommaList(int), default="1,2,3,4,5", show_default=True, help="Only these.")
@click.option(
    "--metrics",
    type=CommaList(names=words("overlap", "surface")),
    default="overlap,surface",
    show_default=True,
    help="overlap (Dice, IoU), surface (HD95, ASD). EF, failures and flicker come with any.",
)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many test patients.")
@WHEN
@trust_option
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Runs swept at the same time.")
@click.option("--prepared", type=click.Path(path_type=Path), help="Prepared folder (default: found in DATA_DIR/cache).")
def run_command(
    perturbations: tuple[str, ...] | None,
    severities: tuple[int, ...],
    metrics: tuple[str, ...],
    limit: int | None,
    when: str,
    workers: int,
    prepared: Path | None,
    data_dir: str,
    **choices: Any,
) -> None:
    """Predict the test clips of finished runs under every perturbation and severity; what is there is not repeated.

    Example: echobench robustness run --dataset phantom
    """
    from harness.evaluation.metrics import metric_functions
    from harness.experiments.sweep.clips import prepared_of
    from harness.experiments.sweep.parallel import sweep_in_parallel
    from harness.experiments.sweep.sweep import SweepOptions
    from harness.perturbations.choice import chosen_perturbations, require_ladders, user_files
    from harness.perturbations.window import window_length
    from harness.registry import load_plugins

    window = window_length(when)
    names = tuple(chosen_perturbations(perturbations, passing=window is not None))
    # Only for their refusals: no strengths, or a misspelt metric, is said before the first minute of computing.
    require_ladders(names)
    load_plugins()
    metric_functions(metrics)
    options = SweepOptions(
        perturbations=names, severities=_severities(severities), metrics=metrics, limit=limit, window=window,
        files=user_files(names),
    )  # fmt: skip
    chosen = chosen_runs(**choices)
    jobs = [(run, prepared_of(run.spec, Path(data_dir), prepared).path) for run in chosen.runs]
    if workers > 1:
        for run, count in sweep_in_parallel(jobs, options, workers):
            click.echo(_told(run, count), err=True)
        return
    for run, folder in jobs:
        _sweep(run, folder, options)


def _sweep(run: Run, folder: Path, options: SweepOptions) -> None:
    from harness.data import PreparedCache
    from harness.experiments.sweep.sweep import sweep_run
    from harness.jobs import Progress

    # Clean frames count too; with a window also those where the last mask before it stands for all of it.
    total = (2 if options.window else 1) + len(options.perturbations) * len(options.severities)
    with Progress(f"sweeping {_title(run)}", total, unit="conditions") as bar:
        count = sweep_run(run, PreparedCache.open(folder), options, lambda name: bar.advance(text=name))
        bar.say(_told(run, count))


def _title(run: Run) -> str:
    return f"{run.spec.model['label']}, seed {run.spec.seed}"


def _told(run: Run, count: int) -> str:
    return f"{_title(run)}: {counted(count, 'condition')} computed, the rest was there ({run.name})"


@command.command("report")
@data_options
@run_choice
@click.option("--as", "name", help="Name of the report (default: that of --report, or DATASET-robustness).")
@click.option("--reference", default="gdkvm", show_default=True, help="Model that the others are tested against.")
@WHEN
def report_command(name: str | None, reference: str, when: str, **choices: Any) -> None:
    """Tables, severity curves and heat map of swept runs, in REPORTS_DIR/NAME/robustness; no model is run.

    With --when passing:N of the faults that pass in N frames, in REPORTS_DIR/NAME/passing-N.

    Example: echobench robustness report --dataset phantom
    """
    from harness.perturbations.window import window_length
    from harness.reporting import print_report, write_report
    from harness.reporting.manifest import ROBUSTNESS_FOLDER
    from harness.results.passing import passing_results
    from harness.results.sweep import sweep_results
    from harness.store.formats.sweep import passing_folder

    chosen = chosen_runs(**choices)
    title = name or chosen.name
    if window := window_length(when):
        passed = passing_results(chosen.runs, window, name=title, reference=reference, command=typed(sys.argv[1:]))
        print_report(passed, write_report(passed, choices["reports_dir"] / title / passing_folder(window)))
        return
    results = sweep_results(chosen.runs, name=title, reference=reference, command=typed(sys.argv[1:]))
    print_report(results, write_report(results, choices["reports_dir"] / title / ROBUSTNESS_FOLDER))


@command.command("gallery")
@data_options
@click.option("--image-size", default=128, show_default=True, help="Side of the frames in pixels.")
@click.option("--clip-length", default=10, show_default=True, help="Frames of the clip; its last one is shown.")
@click.option("--case", "index", default=0, show_default=True, help="Number of the validation clip.")
@click.option("--perturbations", type=PERTURBATIONS, help="Only these: names, or files of your own (default: all).")
@click.option("--reports-dir", type=click.Path(path_type=Path), default=Path("reports"), show_default=True)
def gallery_command(
    dataset: str | None,
    data_dir: str,
    image_size: int,
    clip_length: int,
    index: int,
    perturbations: tuple[str, ...] | None,
    reports_dir: Path,
    **choices: Any,
) -> None:
    """Show every perturbation at every severity on one frame: REPORTS_DIR/perturbations/gallery_DATASET.{pdf,png}.

    Example: echobench robustness gallery --dataset phantom
    """
    from harness.experiments.sweep.clips import model_frames, pixel_aspect
    from harness.perturbations.choice import chosen_perturbations
    from harness.reporting.figures.gallery import gallery
    from harness.reporting.figures.style import save

    names = chosen_perturbations(perturbations)
    cache = _data(dataset, choices, image_size, data_dir)
    split = cache.split("val")
    if not 0 <= index < len(split):
        raise ConfigError(f"--case is {index}; there are {len(split)} validation clips, counted from 0.")
    clip = split.clip(index)
    figure = gallery(
        model_frames(clip, min(clip_length, len(clip))),
        clip.case.name,
        names,
        aspect=pixel_aspect(clip),
        reference=cache.name,
        mark=cache.mark,
    )
    for path in save(figure, reports_dir / "perturbations", f"gallery_{cache.name}"):
        click.echo(str(path))


def _to_be_matched(names: list[str], passing: bool) -> list[str]:
    """Perturbations whose ladder is calibrated: always-on ones, or those that only pass and are not fixed by what they are."""
    from harness.registry import PERTURBATIONS as registered

    if not passing:
        return names
    return [name for name in names if registered.get(name).passing and not registered.get(name).fixed]


def _severities(values: tuple[int, ...]) -> tuple[int, ...]:
    from harness.perturbations.base import SEVERITIES

    wrong = [value for value in values if value not in SEVERITIES]
    if wrong or not values:
        raise ConfigError(f"Severities are 1 to 5, got {wrong[0] if wrong else 'none'}.")
    return tuple(sorted(set(values)))


def _data(dataset: str | None, choices: dict[str, Any], image_size: int, data_dir: str) -> PreparedCache:
    from harness.experiments.source import dataset_config, open_data

    if dataset is None:
        raise ConfigError(f"Name the dataset with --dataset: {', '.join(config.list_configs('datasets'))}.")
    return open_data(dataset, dataset_config(dataset, choices), image_size, Path(data_dir))
