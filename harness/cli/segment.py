"""``echobench segment``: apply a trained run to a clip of one's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli._complete import Named, engines
from harness.cli._options import DEVICE, RUN

if TYPE_CHECKING:
    from harness.segment import Outcome


class Numbers(click.ParamType):
    """``a,b,...`` → a tuple of exactly ``count`` numbers."""

    def __init__(self, count: int, kind: type, name: str) -> None:
        self.count, self.kind, self.name = count, kind, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Split at commas."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(self.kind(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != self.count:
            self.fail(f"'{value}' is not {self.count} numbers such as {self.name}.", param, ctx)
        return numbers


@click.command("segment")
@click.argument("clip", type=click.Path(path_type=Path))
@click.option("--run", type=RUN, help="Name of a finished run, or a part of it that only one has.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Folder of a run, instead of --run.")
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results (default: segmented/CLIP).")
@click.option("--crop", type=Numbers(4, int, "x,y,w,h"), help="Rectangle in pixels that holds the ultrasound image.")
@click.option("--whole-frame", is_flag=True, help="Do not cut to the rectangle that a DICOM file states.")
@click.option("--spacing", type=Numbers(2, float, "row,column"), help="Pixel size in mm, where the file has none.")
@click.option("--frame-rate", type=float, help="Frames per second, where the file has none.")
@click.option("--max-frames", type=int, help="Stop after so many frames.")
@click.option(
    "--overlay", type=click.Choice(["avi", "mp4", "gif", "none"]), default="avi", show_default=True, help="Its kind."
)
@click.option("--device", type=DEVICE, default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--engine",
    type=Named(engines),
    default="eager",
    show_default=True,
    help="How the model is executed; reported rows are eager's.",
)
@click.option("--progress/--no-progress", default=True, show_default=True, help="Show a progress bar.")
def command(
    clip: Path,
    run: str | None,
    checkpoint: Path | None,
    results_dir: str,
    out: Path | None,
    crop: tuple[int, int, int, int] | None,
    whole_frame: bool,
    spacing: tuple[float, float] | None,
    frame_rate: float | None,
    max_frames: int | None,
    overlay: Any,
    device: str,
    engine: str,
    progress: bool,
) -> None:
    """Segment CLIP (AVI, MP4, NIfTI, DICOM, folder of PNGs) with a trained run: masks, areas, EF, overlay.

    Example: echobench segment loop.dcm --run unet-small --overlay gif
    """
    from harness.jobs import Progress
    from harness.segment import Region, find_trained, open_source, segment, with_engine, with_stated
    from harness.training.precision import resolve_device

    place = resolve_device(device)
    source = with_stated(
        open_source(clip),
        region=None if crop is None else Region(x=crop[0], y=crop[1], width=crop[2], height=crop[3]),
        whole_frame=whole_frame,
        spacing_mm=spacing,
        frame_rate_hz=frame_rate,
        max_frames=max_frames,
    )
    trained = with_engine(find_trained(run, results_dir, checkpoint), engine, place)
    folder = out or Path("segmented") / clip.name.split(".")[0]
    total = source.count if max_frames is None else min(max_frames, source.count or max_frames)
    with Progress("segmenting", total, shown=progress, unit="frames") as bar:
        outcome = segment(source, trained, folder, overlay=overlay, device=place, tick=bar.advance)
    _print(outcome, trained.name)


def _print(outcome: Outcome, run: str) -> None:
    """Frames, EF with its method, notes, files."""
    click.echo(f"{outcome.frames} frames segmented with {run}.")
    if outcome.phases is not None:
        click.echo(f"ED is frame {outcome.phases.ed}, ES is frame {outcome.phases.es} (counted from 0).")
    for estimate in outcome.estimates:
        volumes = (
            "" if math.isnan(estimate.edv_ml) else f" (EDV {estimate.edv_ml:.0f} mL, ESV {estimate.esv_ml:.0f} mL)"
        )
        value = "missing" if math.isnan(estimate.ef_percent) else f"{estimate.ef_percent:.1f} %"
        click.echo(f"EF, {estimate.method}, single view: {value}{volumes}")
    for line in (*outcome.notes, *(f"written: {path}" for path in outcome.files)):
        click.echo(line)
