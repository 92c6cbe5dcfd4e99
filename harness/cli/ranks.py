"""echobench ranks: does the order of the models hold under other measures, summaries and data?"""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import REPORT


@click.command()
@click.argument("names", nargs=-1, type=REPORT)
@click.option(
    "--results-dir", default="results/runs", show_default=True, help="Where runs are kept, or stores by report."
)
@click.option("--reports-dir", default="reports", show_default=True, help="Where the reports lie.")
@click.option("--write", is_flag=True, help="Also write the table into the folder `ranks` of the first report.")
def command(names: tuple[str, ...], results_dir: str, reports_dir: str, write: bool) -> None:
    """Rank the models of one suite or several (NAMES) by mean, median and worst decile of Dice, by HD95 and NSD.

    Example: echobench ranks phantom-small camus-small
    """
    from harness.errors import BenchError
    from harness.reporting.manifest import only_suite, read_suite
    from harness.reporting.render.terminal import print_table
    from harness.reporting.tables.ranks import rank_table
    from harness.reporting.tables.stored import write_table

    chosen = names or (only_suite(Path(reports_dir)),)
    stores = {name: Path(results_dir) / name for name in chosen}  # results/reference holds one store per report
    suites = [
        read_suite(name, Path(reports_dir), store if store.is_dir() else Path(results_dir))
        for name, store in stores.items()
    ]
    table = rank_table(*suites)
    if table is None:
        raise BenchError(
            f"{chosen[0]} has fewer than two models that are finished and have learned the task; there is nothing to rank."
        )
    print_table(table)
    if write:
        folder = Path(reports_dir) / chosen[0] / "ranks"
        click.echo(f"{len(write_table(table, folder))} files in {folder}")
