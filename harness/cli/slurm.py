"""echobench slurm: a suite as an array job of Slurm, one task a run."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._complete import Named, configs
from harness.vocabulary import counted


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("suite", type=Named(configs("suites"), paths=True))
@click.argument("bench_options", nargs=-1, type=click.UNPROCESSED)
@click.option("--gres", default="gpu:1", show_default=True, help="Devices of a task; empty for none.")
@click.option("--time", "limit", default="", help="Limit of a task, e.g. 4:00:00; what does not fit goes on later.")
@click.option("--cpus", type=click.IntRange(1), default=8, show_default=True, help="Cores of a task.")
@click.option(
    "--at-once", type=click.IntRange(0), default=0, help="Tasks at the same time at most (default: no limit)."
)
@click.option("--sbatch", "further", multiple=True, metavar="OPTION", help="A further option of sbatch; repeatable.")
@click.option("--job-name", default="", help="Name of the jobs and their files (default: of the suite and its data).")
@click.option("--scripts", type=click.Path(path_type=Path), default=Path("slurm"), show_default=True, help="Folder.")
@click.option("--submit", "send", is_flag=True, help="Also hand them to Slurm.")
def command(
    suite: str,
    bench_options: tuple[str, ...],
    gres: str,
    limit: str,
    cpus: int,
    at_once: int,
    further: tuple[str, ...],
    job_name: str,
    scripts: Path,
    send: bool,
) -> None:
    """Write (and submit) an array job that trains SUITE, one task a run, and a report job that follows it.

    Further options are those of `echobench bench`. Two minutes before its limit a task saves its run and goes back into the
    queue; tasks of dead or preempted nodes do so as well. Example:

        echobench slurm paper --dataset camus --root /data/camus --time 4:00:00 --sbatch=--partition=gpu --submit
    """
    from harness.cli.bench import command as bench
    from harness.experiments import SuiteOptions
    from harness.experiments.plan import count_runs
    from harness.jobs.slurm import SlurmJob, submit

    arguments = ["--suite", suite, *bench_options]
    # Read by bench itself, so that a misspelt option is refused here and not in every task.
    given = bench.make_context("bench", list(arguments)).params
    options = SuiteOptions(**{key: given[key] for key in SuiteOptions.__dataclass_fields__ if key in given})
    job = SlurmJob(
        name=job_name or "-".join(("echobench", Path(suite).stem, given["dataset"] or "phantom")),
        arguments=arguments,
        runs=count_runs(options),
        folder=Path.cwd(),
        gres=gres,
        time=limit,
        cpus=cpus,
        at_once=at_once,
        options=further,
    )
    train, report = job.write(scripts)
    click.echo(f"{counted(job.runs, 'run')}: {train}, then {report}")
    if send:
        first, second = submit(train, report)
        click.echo(f"Submitted as {first} (array) and {second} (report); squeue shows them.")
