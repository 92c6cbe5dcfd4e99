"""echobench export: the small, committable part of a suite, study or sweep, and the report made from it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import REPORT


@click.command()
@click.argument("name", metavar="REPORT", type=REPORT)
@click.option("--to", "target", default="results/reference", show_default=True, help="Where runs are copied to.")
@click.option("--report-to", default="reports/reference", show_default=True, help="Where the report is written.")
@click.option("--pictures", is_flag=True, help="Show cases in the report (never for data that must not be passed on).")
@click.option("--mixed", is_flag=True, help="Take runs of several commits, or with uncommitted changes, as they are.")
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where the suite's report lies.")
def command(
    name: str, target: str, report_to: str, pictures: bool, mixed: bool, results_dir: str, reports_dir: str
) -> None:
    """Copy what the REPORT of a suite, study or sweep needs, without weights and pictures, and report from the copy.

    Runs must come from one commit without uncommitted changes. The report can be made again from the committed files alone:

        echobench report NAME --results-dir results/reference/NAME --reports-dir reports/reference
    """
    from harness.reporting import write_report
    from harness.reporting.manifest import read_results, write_manifest
    from harness.results.export import export

    store, original = Path(target) / name, read_results(name, Path(reports_dir), Path(results_dir))
    written = [path for results in original.values() for path in export(results, store, mixed=mixed)]
    for folder, results in original.items():
        write_manifest(results, Path(report_to) / folder.relative_to(reports_dir))
    copied = read_results(name, Path(report_to), store)
    if pictures:  # they stay where they are: the page shows those of the original runs
        copied = dict(zip(copied, original.values(), strict=True))
    paths = [
        path for folder, results in copied.items() for path in write_report(results, folder, None if pictures else ())
    ]
    click.echo(f"{len(written)} files in {store}, {len(paths)} in {Path(report_to) / name}")
