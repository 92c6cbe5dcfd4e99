"""echobench audit: do the figures of a table agree with each other?"""

from __future__ import annotations

from pathlib import Path

import click

from harness.config import config_root
from harness.errors import ConfigError


@click.command()
@click.argument("tables", nargs=-1, type=click.Path())
@click.option("--published", is_flag=True, help="Audit the published tables kept with the project.")
@click.option("--printed", multiple=True, metavar="KEY=VALUE", help="For EF pairs: printed r, bias or sd; repeatable.")
@click.option("--brief", is_flag=True, help="Show only what does not hold.")
@click.option("--strict", is_flag=True, help="Exit code 1 when any check is violated.")
def command(tables: tuple[str, ...], published: bool, printed: tuple[str, ...], brief: bool, strict: bool) -> int:
    """Check the figures of each CSV table: Dice against IoU, ASD and HD95 against HD, limits of agreement, correlation.

    The checks are arithmetic on printed figures and allow for their rounding. Example: echobench audit reports/demo/table.csv
    """
    from harness.reporting.page.audit_view import audit_grid
    from harness.statistics.audit_table import audit_file
    from harness.terminal import console as new_console

    paths = [Path(table) for table in tables] + (
        sorted((config_root() / "published").glob("*.csv")) if published else []
    )
    if not paths:
        raise ConfigError("No table to audit; give the path of a CSV file, or --published.")
    console, violated = new_console(), 0
    for path in paths:
        audit = audit_file(path, _figures(printed))
        console.print(f"\n{path}", style="bold", highlight=False)
        console.print(audit_grid(audit, everything=not brief))
        violated += len(audit.violated)
    return 1 if strict and violated else 0


def _figures(printed: tuple[str, ...]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in printed]
    wrong = [entry for entry, (_, equals, _) in zip(printed, pairs, strict=True) if not equals]
    if wrong:
        raise ConfigError(f"--printed takes KEY=VALUE such as r=0.904, got '{wrong[0]}'.")
    return {key: value for key, _, value in pairs}
