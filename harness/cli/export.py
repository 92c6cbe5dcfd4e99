"""echobench export: the small, committable part of a suite's runs."""

from __future__ import annotations

from pathlib import Path

import click

from harness.reporting.export import export_runs
from harness.reporting.manifest import read_suite


@click.command()
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where the suite's report lies.")
def command(name: str, out: Path, results_dir: str, reports_dir: str) -> None:
    """Copy records, case rows and profiles of the suite NAME to the folder OUT, without weights and pictures.

    OUT is a results store of its own: `echobench report NAME --results-dir OUT` makes the tables from it.

    Example: echobench export phantom-2ch+4ch-half-small results/reference/phantom
    """
    written = export_runs(read_suite(name, Path(reports_dir), Path(results_dir)), out)
    click.echo(f"{len(written)} files in {out}")
