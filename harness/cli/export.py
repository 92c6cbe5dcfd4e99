"""echobench export: the small, committable part of a suite, and the report made from it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import REPORT


@click.command()
@click.argument("name", type=REPORT)
@click.option("--to", "target", default="results/reference", show_default=True, help="Where runs are copied to.")
@click.option("--report-to", default="reports/reference", show_default=True, help="Where the report is written.")
@click.option("--pictures", is_flag=True, help="Show cases in the report (never for data that must not be passed on).")
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where the suite's report lies.")
def command(name: str, target: str, report_to: str, pictures: bool, results_dir: str, reports_dir: str) -> None:
    """Copy records, case rows and profiles of the suite NAME, without weights and pictures, and report from the copy.

    The copy is a results store of its own; the report in it can be made again from the committed files alone:

        echobench report NAME --results-dir results/reference/NAME --reports-dir reports/reference
    """
    from harness.reporting import write_report
    from harness.reporting.export import export_runs
    from harness.reporting.manifest import read_suite, write_manifest

    store, report = Path(target) / name, Path(report_to) / name
    original = read_suite(name, Path(reports_dir), Path(results_dir))
    written = export_runs(original, store)
    write_manifest(original, report)
    copied = original if pictures else read_suite(name, Path(report_to), store)
    paths = write_report(copied, report, None if pictures else ())
    click.echo(f"{len(written)} files in {store}, {len(paths)} in {report}")
