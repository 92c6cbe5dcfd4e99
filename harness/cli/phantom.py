"""``echobench phantom``: generate a phantom root, or compare one with real echocardiograms' statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli._complete import CommaList


@click.command("phantom")
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--patients", type=CommaList(int), default="60,15,25", show_default=True, help="Train, val, test counts.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides every pixel.")
@click.option("--pixel-mm", type=float, default=0.462, show_default=True, help="Pixel size (CAMUS: 0.308).")
@click.option("--beats", type=int, default=0, show_default=True, help="Whole cycles beside each half sequence.")
@click.option("--arrhythmia", type=float, default=0.0, show_default=True, help="Share of patients with an arrhythmia.")
@click.option("--defects", type=float, default=0.0, show_default=True, help="Share with a wall-motion defect.")
@click.option("--foreshortened", type=float, default=0.0, show_default=True, help="Share of views that miss the apex.")
@click.option("--breathing-mm", type=float, default=0.0, show_default=True, help="Motion with the breath in cycles.")
@click.option("--probe-mm", type=float, default=0.0, show_default=True, help="Motion of the probe in cycles.")
@click.option(
    "--frame-rate-hz", type=CommaList(float), help="Lowest and highest frame rate, e.g. 25,80 [default: CAMUS's]."
)
@click.option("--workers", type=click.IntRange(1), help="Processes (default: one per core).")
@click.option("--progress/--no-progress", default=True, show_default=True, help="Show a progress bar.")
@click.option("--describe", "described", is_flag=True, help="Print its measured statistics beside those of CAMUS.")
def command(
    root: Path,
    patients: tuple[int, ...],
    seed: int,
    pixel_mm: float,
    frame_rate_hz: tuple[float, ...] | None,
    workers: int | None,
    progress: bool,
    described: bool,
    **options: Any,
) -> None:
    """Generate synthetic echo sequences with known masks and EF at ROOT, in the layout of CAMUS.

    A finished root of the same parameters is kept as it is. Without options a patient is one regular half beat, as in CAMUS.

    Example: echobench phantom beats --beats 3 --defects 0.3 --breathing-mm 2 --frame-rate-hz 25,80
    """
    from harness.phantom import describe, generate

    if len(patients) != 3:
        raise click.BadParameter("give three counts, e.g. 60,15,25.", param_hint="--patients")
    counts = (patients[0], patients[1], patients[2])
    if frame_rate_hz is not None:
        if len(frame_rate_hz) != 2:
            raise click.BadParameter("give the lowest and the highest, e.g. 25,80.", param_hint="--frame-rate-hz")
        options["frame_rate_hz"] = (frame_rate_hz[0], frame_rate_hz[1])
    generate(root, patients=counts, seed=seed, pixel_mm=pixel_mm, workers=workers, progress=progress, **options)
    click.echo(f"The phantom is at {root}.")
    if described:
        click.echo(describe(root).to_string(float_format="{:.1f}".format))
