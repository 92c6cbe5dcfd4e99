"""echobench models: what can be named in --models."""

from __future__ import annotations

import click

from harness import config


@click.command()
def command() -> None:
    """List the model configs with their sizes, and every registered model class."""
    from rich.table import Table

    from harness.registry import MODELS, load_plugins
    from harness.terminal import console as new_console

    load_plugins()
    table = Table("name", "label", "sizes", "class", title="Models")
    for name in config.list_configs("models"):
        cfg = config.load("models", name)
        classes = sorted({build["type"] for build in cfg.sizes.values()})
        table.add_row(name, cfg.get("label", name), ", ".join(cfg.sizes), ", ".join(classes))
    console = new_console()
    console.print(table)
    console.print(f"Registered classes: {', '.join(sorted(MODELS.module_dict))}")
    console.print("Your own: --models path/to/config.py (docs/add-a-model.md).")
