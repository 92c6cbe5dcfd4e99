"""echobench leaderboard: many reports on one page, by condition."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folders", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--results-dir", default="results/runs", show_default=True, help="Rows to verify the tables against: a store, or archives by report name.")  # fmt: skip
@click.option("--out", "out_dir", default="reports", show_default=True, help="Where index.html and the table are written.")  # fmt: skip
def command(folders: tuple[Path, ...], results_dir: str, out_dir: str) -> None:
    """Write one page over all reports in the folders DIR (default: --out): every report, and every model by condition.

    Example: echobench leaderboard reports/reference --results-dir results/reference --out reports
    """
    from harness.reporting.leaderboard import write_leaderboard
    from harness.reporting.render.terminal import print_table
    from harness.reporting.tables.stored import SUFFIX, read_table
    from harness.terminal import console as new_console

    written = write_leaderboard(folders or (Path(out_dir),), Path(out_dir), Path(results_dir))
    console = new_console()
    for path in written:
        if path.name.endswith(SUFFIX):
            print_table(read_table(path), console)
    console.print(f"{written[0]}", highlight=False)
