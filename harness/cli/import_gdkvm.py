"""``echobench import-gdkvm``: turn a checkpoint of the published GDKVM code into one of ours."""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import DataError


@click.command("import-gdkvm")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--variant",
    type=click.Choice(["corrected", "released"]),
    default="corrected",
    show_default=True,
    help="Arithmetic of the decay: with the exponential (contiguous heads), or as first released (tiled).",
)
@click.option("--structures", type=click.IntRange(min=1), default=1, show_default=True, help="Number of structures.")
def command(checkpoint: Path, out: Path, variant: str, structures: int) -> None:
    """Import CHECKPOINT of the published GDKVM code and write it to OUT.

    All 533 published names must be there and no other; the state dict may lie below `state_dict`, `model`, `weights` and
    the like, and its names may begin with `module.`. OUT holds `model` (the state dict) and `build` (the
    arguments that build the model from the registry) and loads with weights_only=True.
    """
    import torch

    from harness.files import atomic_file
    from harness.registry import PUBLISHED, load_plugins

    load_plugins()
    # By the registry: the harness must not import the package of one model.
    published = PUBLISHED.get("GDKVM")
    if published is None:
        raise DataError("The model GDKVM is not installed; reinstall this package.")
    try:
        model, build = published(checkpoint, variant=variant, num_structures=structures)
    except ValueError as error:
        raise DataError(_sentence(checkpoint, error)) from error
    with atomic_file(out) as stream:
        torch.save({"model": model.state_dict(), "build": build}, stream)
    count = sum(parameter.numel() for parameter in model.parameters())
    click.echo(f"Imported {count:,} parameters ({variant} arithmetic) into {out}.")


def _sentence(checkpoint: Path, error: ValueError) -> str:
    """What is wrong, with the file named once."""
    text = str(error).rstrip(".")
    return f"{text}." if str(checkpoint) in text else f"Cannot import {checkpoint}: {text}."
