"""echobench bench: train, measure and compare the models of a suite; the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli._options import data_options, store_options, suite_options
from harness.cli._typed import typed


@click.command()
@data_options
@suite_options
@store_options
@click.option("--dry-run", is_flag=True, help="List the runs and their state, train nothing.")
def command(data_dir: str, results_dir: str, reports_dir: str, dry_run: bool, **chosen: Any) -> int:
    """Train, measure and compare models on identical data, recipe and protocol; prints and writes one table.

    Runs that are finished are not repeated, interrupted ones resume. Example:

        echobench bench --dataset camus --root CAMUS --views 4CH --clip ed_es --allow-partial
    """
    from harness.experiments import SuiteOptions, plan_suite
    from harness.experiments.bench import run_suite
    from harness.experiments.kept_pictures import keep_pictures
    from harness.reporting import print_report, write_report
    from harness.reporting.manifest import report_is_of
    from harness.results.suite import suite_results

    plan = plan_suite(SuiteOptions(data_root=Path(data_dir), **chosen))
    outcome = run_suite(plan, Path(results_dir), keep=keep_pictures, dry_run=dry_run)
    if dry_run:
        return 0
    command_line = typed(sys.argv[1:])
    results = suite_results(outcome.runs, name=plan.name, reference=plan.reference, command=command_line)
    folder = Path(reports_dir) / plan.name
    if outcome.executed or not report_is_of(results, folder):
        print_report(results, write_report(results, folder))
    else:
        print_report(results, [])
        click.echo(
            f"Nothing was left to do; the report in {folder} stays (echobench report {plan.name} makes it again)."
        )
    return 1 if outcome.failed else 0
