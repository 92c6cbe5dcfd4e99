"""echobench ablate: train the variants of a study and say what each part brings."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli._complete import CommaList, Named, configs
from harness.cli._options import FIRST_FRAME, RECIPE, SIZE, STRUCTURES, data_options, store_options
from harness.cli._typed import typed
from harness.config import list_configs

if TYPE_CHECKING:
    from rich.console import Console

    from harness.experiments.study.job import ResolvedStudy, StudyJob
    from harness.results.result_set import ResultSet


@click.command()
@click.argument("study", type=Named(configs("studies"), paths=True))
@data_options
@click.option(
    "--suite",
    type=Named(configs("suites")),
    default="small",
    show_default=True,
    help="Suite config: what study and options leave open.",
)
@click.option("--size", type=SIZE, help="Model size: small or narrow (CPU), or paper.")
@click.option("--recipe", type=RECIPE, help="Training recipe (default: the study's for this dataset).")
@click.option("--seeds", type=CommaList(int), help="Seeds, e.g. 0,1,2 (default: the study's).")
@click.option("--structures", type=STRUCTURES, help="lv, all, or names joined by +, e.g. lv+rv.")
@click.option("--first-frame", type=FIRST_FRAME, help="auto, auto_unet or gt.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a config value; repeatable.")
@click.option("--study-name", "name", help="Name of the stored study and its report (default: study and data).")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine.")
@click.option(
    "--storage", help="FILE.db (default: results/studies/NAME.db), FILE.journal or postgresql://USER@HOST/DATABASE."
)
@click.option("--trials", "budget", type=click.IntRange(1), help="Number of trials of a search.")
@click.option("--retry-failed", is_flag=True, help="Train variants again whose run failed (not of a search).")
@click.option("--retrain", is_flag=True, help="Train again what is finished; the finished runs stay (not of a search).")
@click.option("--accept-code", is_flag=True, help="Take finished runs of other code; tables then carry that mark.")
@click.option("--no-profile", is_flag=True, help="Leave the cost columns empty.")
@click.option("--report-only", is_flag=True, help="Train nothing; report what is there.")
@click.option("--dry-run", is_flag=True, help="List the runs and their state, train nothing.")
@store_options
def command(
    study: str,
    data_dir: str,
    results_dir: str,
    reports_dir: str,
    name: str | None,
    workers: int,
    storage: str | None,
    budget: int | None,
    retry_failed: bool,
    retrain: bool,
    accept_code: bool,
    no_profile: bool,
    report_only: bool,
    dry_run: bool,
    **chosen: Any,
) -> int:
    """Train the variants of STUDY and say what each part brings.

    STUDY is modules, update_rule, keys, clip, memory, tune, a config file of your own (*.py), or a folder that `export` wrote,
    which is reported again without data or training. Variants are ordinary runs: what is finished is not repeated, what was
    interrupted resumes. The same command in another process joins in. Example:

        echobench ablate modules --dataset phantom --workers 2
    """
    from harness.experiments import SuiteOptions
    from harness.experiments.study.collect import collect, profile_cells
    from harness.experiments.study.job import StudyJob, check_models, resolve
    from harness.experiments.study.running import run_study
    from harness.experiments.study.search import bind
    from harness.experiments.study.storage import open_storage, open_study, storage_address
    from harness.experiments.study.trials import study_of
    from harness.files import check_writable, refuse_path
    from harness.results.study import archived_study
    from harness.terminal import console as new_console

    if Path(study).is_dir() and study not in list_configs("studies"):
        return _finish(archived_study(Path(study)), Path(reports_dir))
    if name is not None:
        refuse_path(name, "The study's name")
    options = SuiteOptions(data_root=Path(data_dir), **chosen)
    default = Path(results_dir).parent / "studies"
    job = StudyJob(
        study=study,
        options=options,
        name=name or "",
        storage=storage_address(storage, default / "study.db"),
        results_dir=Path(results_dir),
        budget=budget,
        retry_failed=retry_failed,
        retrain=retrain and not report_only,
        accept_code=accept_code,
    )
    if not dry_run:
        # Found now, and not after the data are generated and the first point is trained.
        for folder in (results_dir, reports_dir):
            check_writable(Path(folder))
        if job.storage.file is None:
            open_storage(job.storage)
    resolved = resolve(job)
    job = named(job, resolved, default if storage is None else None)
    console = new_console(errors=True)
    for run in resolved.accepted.values():
        console.print(f"{run.name} is taken ({run.accepted}).")
    if not report_only:
        check_models(resolved)
    if dry_run:
        return _list(resolved, console)
    if not report_only:
        run_study(job, resolved, workers=workers, tell=console.print)
        if not no_profile:
            profile_cells(resolved, console.print)
    if resolved.definition.kind == "tpe":
        stored = open_study(job.storage, open_storage(job.storage), job.name)
        bind(stored, resolved.identity)
    else:
        stored = study_of(resolved, job.name, job.storage)
    command_line = typed(sys.argv[1:], flags=("--report-only",))
    return _finish(collect(resolved, stored, name=job.name, command=command_line), Path(reports_dir))


def _finish(results: ResultSet, reports_dir: Path) -> int:
    """Report and show; the exit code is 1 where a run is missing."""
    from harness.files import inside
    from harness.reporting import print_report, write_report

    # The name of an archive comes from whoever made it.
    print_report(results, write_report(results, inside(reports_dir, results.name, "The study")))
    return 1 if any(arm.reason for arm in results.arms) else 0


def named(job: StudyJob, resolved: ResolvedStudy, studies: Path | None) -> StudyJob:
    """The job with the name of its stored study, and of its SQLite file where none was given."""
    from harness.experiments.study.storage import storage_address
    from harness.results.condition import condition_of

    # The study's own recipe is the headline one here: only what deviates from it is told.
    plan, recipes = resolved.plan, resolved.definition.recipes
    data, size = plan.specs[0].data, plan.specs[0].model["size"]
    own = recipes.get(f"{data['dataset']}_{data['clip']}", recipes.get(data["dataset"]))
    recipe = own if size == "small" else None
    name = job.name or f"{resolved.definition.name}-{condition_of(*plan.specs, recipe=recipe).name}"
    where = job.storage if studies is None else storage_address(None, studies / f"{name}.db")
    return dataclasses.replace(job, name=name, storage=where)


def _list(resolved: ResolvedStudy, console: Console) -> int:
    for cell in resolved.cells:
        for seed in resolved.definition.seeds:
            run = resolved.run(cell, seed)
            console.print(f"{cell.key}, seed {seed}: {run.status} ({run.name})")
    if not resolved.cells:
        console.print(f"up to {resolved.definition.budget} trials, chosen as the study goes on")
    return 0
