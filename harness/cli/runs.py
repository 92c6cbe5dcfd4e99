"""echobench runs: what is in the results store, and in which state."""

from __future__ import annotations

import click


@click.command()
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
def command(results_dir: str) -> None:
    """List all runs with their status, the reason where one failed, and whether its code has changed since."""
    from rich.console import Console
    from rich.table import Table

    from harness.store.runs import RunStore

    runs = RunStore(results_dir).all()
    if not runs:
        click.echo(f"No runs in {results_dir}; `echobench bench` makes some.")
        return
    table = Table("run", "status", "finished", "note", title=f"{len(runs)} runs in {results_dir}")
    for run in runs:
        note = "other code" if run.other_code else run.record.get("reason") or ""
        table.add_row(run.name, run.status, run.record.get("finished", ""), note)
    Console().print(table)
