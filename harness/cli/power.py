"""echobench power: how many patients and trainings does a difference need?"""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import REPORT


@click.command()
@click.argument("name", type=REPORT, required=False)
@click.option(
    "--difference", "differences", type=click.FloatRange(min=0, min_open=True), multiple=True,
    help="Difference in Dice points to plan for; may be given again (default: 0.25, 0.5, 1, 2).",
)  # fmt: skip
@click.option(
    "--training-sd", type=click.FloatRange(min=0),
    help="SD between trainings of one model in Dice points, where the runs have one training each.",
)  # fmt: skip
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where the report lies.")
@click.option("--write", is_flag=True, help="Also write table and figure into the report's folder.")
def command(
    name: str | None,
    differences: tuple[float, ...],
    training_sd: float | None,
    results_dir: str,
    reports_dir: str,
    write: bool,
) -> None:
    """Plan with the finished runs of the suite NAME: patients needed per difference and number of trainings.

    Example: echobench power phantom-small --difference 1 --training-sd 0.5
    """
    from harness.reporting.figures.power import power_figure
    from harness.reporting.figures.style import save
    from harness.reporting.manifest import only_suite, read_suite
    from harness.reporting.render.terminal import print_table
    from harness.reporting.tables.power import power_table
    from harness.reporting.tables.stored import write_table
    from harness.results.power import SIZES, power_of

    chosen = name or only_suite(Path(reports_dir))
    results = read_suite(chosen, Path(reports_dir), Path(results_dir))
    found = power_of(results, sizes=sorted(differences) or SIZES, training_sd=training_sd)
    table = power_table(results, found)
    print_table(table)
    if write:
        folder = Path(reports_dir) / chosen / "power"
        paths = write_table(table, folder)
        paths += save(power_figure(found, arms=len(results.others) + 1, mark=results.mark), folder, "power")
        click.echo(f"{len(paths)} files in {folder}")
