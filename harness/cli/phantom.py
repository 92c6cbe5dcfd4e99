"""``echobench phantom``: generate a phantom root, or compare one with real echocardiograms' statistics."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._complete import CommaList


@click.command("phantom")
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--patients", type=CommaList(int), default="60,15,25", show_default=True, help="Train, val, test counts.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides every pixel.")
@click.option("--pixel-mm", type=float, default=0.462, show_default=True, help="Pixel size (CAMUS: 0.308).")
@click.option("--workers", type=click.IntRange(1), help="Processes (default: one per core).")
@click.option("--progress/--no-progress", default=True, show_default=True, help="Show a progress bar.")
@click.option("--describe", "described", is_flag=True, help="Print its measured statistics beside those of CAMUS.")
def command(
    root: Path,
    patients: tuple[int, ...],
    seed: int,
    pixel_mm: float,
    workers: int | None,
    progress: bool,
    described: bool,
) -> None:
    """Generate synthetic echo sequences with known masks and EF at ROOT, in the layout of CAMUS.

    A finished root of the same parameters is kept as it is.
    """
    from harness.phantom import describe, generate

    if len(patients) != 3:
        raise click.BadParameter("give three counts, e.g. 60,15,25.", param_hint="--patients")
    counts = (patients[0], patients[1], patients[2])
    generate(root, patients=counts, seed=seed, pixel_mm=pixel_mm, workers=workers, progress=progress)
    click.echo(f"The phantom is at {root}.")
    if described:
        click.echo(describe(root).to_string(float_format="{:.1f}".format))
