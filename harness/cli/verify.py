"""echobench verify: is a report what its rows say?"""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import REPORT

_SHOWN = 20


@click.command()
@click.argument("name", type=REPORT, required=False)
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where the report lies.")
@click.option("--all", "everything", is_flag=True, help="Show every difference, not the first twenty.")
def command(name: str | None, results_dir: str, reports_dir: str, everything: bool) -> int:
    """Derive every table of the report NAME again from the rows, compare it cell by cell, and name code and data.

    The exit code is 1 where anything differs. Example: echobench verify phantom-small
    """
    from harness.reporting.manifest import only_suite
    from harness.reporting.verify import verify_report

    found = verify_report(name or only_suite(Path(reports_dir)), Path(reports_dir), Path(results_dir))
    for line in found.origins:
        click.echo(line)
    shown = found.differences if everything else found.differences[:_SHOWN]
    for line in shown:
        click.echo(f"- {line}")
    if len(shown) < len(found.differences):
        click.echo(f"- and {len(found.differences) - len(shown)} more (--all)")
    click.echo(found.verdict)
    return 0 if found.agrees else 1
