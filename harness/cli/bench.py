"""echobench bench: train, measure and compare the models of a suite; the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli._options import METRICS, data_options, store_options, suite_options
from harness.cli._typed import typed
from harness.errors import ConfigError
from harness.vocabulary import counted

if TYPE_CHECKING:
    from harness.experiments import SuiteOptions
    from harness.experiments.bench import Work


@click.command()
@data_options
@suite_options
@store_options
@click.option("--retrain", is_flag=True, help="Train again what is finished; the finished runs stay as they are.")
@click.option("--accept-code", is_flag=True, help="Take finished runs of other code; tables then carry that mark.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many patients of each split, marked as such.")
@click.option("--folds", type=click.IntRange(3), help="Cross-validation: train and test so many folds, one table.")
@click.option("--metrics", type=METRICS, default="", help="Measured as well: names or files, a section of the report.")
@click.option("--keep-masks", is_flag=True, help="Keep the masks predicted for the test clips, compressed.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; each has a CUDA device in turn."
)
@click.option("--time-limit", "minutes", type=float, help="Minutes after which nothing more is begun; resumes later.")
@click.option("--only", type=click.IntRange(1), help="Train this run of --dry-run's list alone; no costs, no report.")
@click.option("--report-only", is_flag=True, help="Train nothing; measure and report what is finished.")
@click.option("--dry-run", is_flag=True, help="Print the plan, make and train nothing.")
def command(
    data_dir: str,
    results_dir: str,
    reports_dir: str,
    retrain: bool,
    accept_code: bool,
    metrics: tuple[str, ...],
    keep_masks: bool,
    workers: int,
    minutes: float | None,
    only: int | None,
    report_only: bool,
    dry_run: bool,
    **chosen: Any,
) -> int:
    """Train, measure and compare models on identical data, recipe and protocol; prints and writes one table.

    Runs that are finished are not repeated, interrupted ones resume. Other code of a model, of training or of evaluation
    is another run. The same command in a second process joins in; costs are measured after the last training. Example:

        echobench bench --dataset camus --root CAMUS --views 4CH --clip ed_es --allow-partial
    """
    from harness.api.benching import keeping, run_bench
    from harness.experiments import SuiteOptions
    from harness.experiments.bench import Work
    from harness.files import check_writable
    from harness.reporting import print_report

    options = SuiteOptions(data_root=Path(data_dir), **chosen)
    for folder in () if dry_run else (results_dir, reports_dir):
        check_writable(Path(folder))
    work = Work(retrain=retrain, accept_code=accept_code, workers=workers, minutes=minutes, train=not report_only)
    if dry_run or only:
        return _plan(options, Path(results_dir), only, keeping(keep_masks), dry_run, work)
    made = run_bench(
        options,
        results=results_dir,
        reports=reports_dir,
        command=typed(sys.argv[1:]),
        masks=keep_masks,
        metrics=metrics,
        **work,
    )
    if added := len(made.results.runs) - len(made.runs):
        click.echo(
            f"The report {made.report.name} also holds {counted(added, 'run')} of the same condition that {'was' if added == 1 else 'were'} there already."
        )
    if made.left_out:
        click.echo(
            f"Left out, because their code has changed since: {', '.join(made.left_out)}; bench these models again."
        )
    print_report(made.results, made.written)
    if not made.written:
        again = f"echobench report {made.report.name} makes it again"
        click.echo(f"Nothing was left to do; the report in {made.report} stays ({again}).")
    return 1 if made.failed else 0


def _plan(options: SuiteOptions, results: Path, only: int | None, keep: Any, dry_run: bool, work: Work) -> int:
    """Print the plan, or train one run of it; the exit code."""
    from harness.experiments import plan_suite
    from harness.experiments.bench import run_suite
    from harness.experiments.folds import fold_options
    from harness.experiments.preview import preview

    if options.folds and not dry_run:
        raise ConfigError("--only trains one run of one fold: give --fold with its number instead of --folds.")
    failed = False
    for each in fold_options(options) if options.folds else [options]:
        lines = []
        if dry_run:
            begun = preview(each)
            lines = begun.lines
            click.echo("\n".join([*([f"Fold {each.fold}:"] if options.folds else []), *lines]))
            if not begun.prepared:
                continue
        plan = plan_suite(each)
        # What the lines above say is not said again.
        plan.notes = [note for note in plan.notes if note.partition(": ")[2] not in "\n".join(lines)]
        outcome = run_suite(plan, results, keep=keep, dry_run=dry_run, only=only, **work)
        failed = failed or bool(outcome.failed)
    return 1 if failed else 0
