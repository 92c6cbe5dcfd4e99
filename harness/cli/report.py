"""echobench report: make a report's tables and figures again from the results store."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import REPORT


@click.command()
@click.argument("name", metavar="REPORT", type=REPORT, required=False)
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where tables and figures are written.")
@click.option(
    "--groups", type=click.Path(exists=True, dir_okay=False),
    help="CSV with a column 'patient' and others by which subgroups are made; it is kept with the report.",
)  # fmt: skip
@click.option("--no-pictures", is_flag=True, help="Leave out images of patients.")
def command(name: str | None, results_dir: str, reports_dir: str, groups: str | None, no_pictures: bool) -> None:
    """Write the REPORT of a suite, study or sweep again (the only suite, where there is one): no model is run.

    Example: echobench report phantom-small
    """
    from harness.files import write_bytes
    from harness.reporting import print_report, write_report
    from harness.reporting.manifest import only_suite, read_results
    from harness.reporting.render.terminal import print_table
    from harness.reporting.transfer_report import read_transfer, transfers_in, write_transfer
    from harness.results.groups import GROUPS, read_groups
    from harness.store.formats.manifest import find_manifest

    chosen = name or only_suite(Path(reports_dir))
    folder = Path(reports_dir) / chosen
    if (measured := read_transfer(folder, Path(results_dir))) is not None:
        manifest = find_manifest(folder, "transfer")
        tables, written = write_transfer(measured, folder, manifest.command if manifest else "")
        for table in tables:
            print_table(table)
        click.echo(f"{len(written)} files in {folder}")
        return
    if groups:
        read_groups(Path(groups))  # refused before anything is written
        write_bytes(Path(reports_dir) / chosen / GROUPS, Path(groups).read_bytes())
    for inside in transfers_in(folder):
        manifest = find_manifest(inside, "transfer")
        write_transfer(read_transfer(inside, Path(results_dir)) or (), inside, manifest.command if manifest else "")
    for folder, results in read_results(chosen, Path(reports_dir), Path(results_dir)).items():
        print_report(results, write_report(results, folder, () if no_pictures else None))
