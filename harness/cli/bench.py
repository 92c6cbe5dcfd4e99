"""echobench bench: train, measure and compare the models of a suite; the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli._options import data_options, store_options, suite_options
from harness.experiment import SuiteOptions, plan_suite
from harness.experiment.suite import run_suite
from harness.reporting import print_report, write_report


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
    plan = plan_suite(SuiteOptions(data_root=Path(data_dir), **chosen))
    outcome = run_suite(plan, Path(results_dir), dry_run=dry_run)
    if dry_run:
        return 0
    paths = write_report(outcome.results, Path(reports_dir) / plan.name)
    print_report(outcome.results, paths)
    return 1 if outcome.failed else 0
