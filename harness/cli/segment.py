"""``echobench segment``: apply a trained run to a clip of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli._complete import Named, engines
from harness.cli._options import DEVICE, RUN, trust_option
from harness.vocabulary import counted

if TYPE_CHECKING:
    import torch

    from harness.segment import Settings, Trained


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
@click.option("--weights", type=click.Path(path_type=Path), help="A file of echobench publish, instead of --run.")
@trust_option
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option(
    "--data-dir", default="data", show_default=True, help="Where the prepared training data are, for the flags."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results (default: segmented/CLIP).")
@click.option(
    "--existing",
    type=click.Choice(["refuse", "keep", "replace"]),
    default="refuse",
    show_default=True,
    help="Where another result lies; one made from the same clip, run and settings is always kept, except by replace.",
)
@click.option("--crop", type=Numbers(4, int, "x,y,w,h"), help="Rectangle in pixels that holds the ultrasound image.")
@click.option("--region", type=int, help="Which of several images that a DICOM file states, counted from 1.")
@click.option(
    "--whole-frame", is_flag=True, help="Do not cut to the rectangle of the file; burned-in text is then shown."
)
@click.option("--spacing", type=Numbers(2, float, "row,column"), help="Pixel size in mm, where the file has none.")
@click.option("--frame-rate", type=float, help="Frames per second, where the file has none.")
@click.option("--max-frames", type=int, help="Stop after so many frames.")
@click.option(
    "--overlay", type=click.Choice(["avi", "mp4", "gif", "none"]), default="avi", show_default=True, help="Its kind."
)
@click.option(
    "--report",
    type=click.Choice(["none", "anonymous", "identified"]),
    default="none",
    show_default=True,
    help="DICOM measurement report of a DICOM clip, without its patient and dates or with them.",
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
    weights: Path | None,
    results_dir: str,
    data_dir: str,
    out: Path | None,
    existing: Any,
    crop: tuple[int, int, int, int] | None,
    region: int | None,
    whole_frame: bool,
    spacing: tuple[float, float] | None,
    frame_rate: float | None,
    max_frames: int | None,
    overlay: Any,
    report: Any,
    device: str,
    engine: str,
    progress: bool,
) -> None:
    """Segment CLIP (AVI, MP4, NIfTI, DICOM, folder of PNGs) with a trained run: masks, areas, EF, overlay.

    CLIP may be a folder of clips or a list of them (CSV, text): each gets its folder, and summary.csv a row for each and for
    each patient.

    Example: echobench segment loop.dcm --run unet-small --overlay gif
    """
    from harness.errors import ConfigError
    from harness.segment import Region, Settings, find_trained, is_list, trained_from_file, with_engine
    from harness.training.device import resolve_device

    place = resolve_device(device)
    settings = Settings(
        region=None if crop is None else Region(x=crop[0], y=crop[1], width=crop[2], height=crop[3]),
        picture=region,
        whole_frame=whole_frame,
        spacing_mm=spacing,
        frame_rate_hz=frame_rate,
        max_frames=max_frames,
        overlay=overlay,
        report=report,
        existing=existing,
    )
    settings.check()
    several = clip.exists() and is_list(clip)
    if weights is not None and (run or checkpoint):
        raise ConfigError("Give one of --run, --checkpoint and --weights.")
    model = trained_from_file(weights) if weights else find_trained(run, results_dir, checkpoint, data_dir)
    trained = with_engine(model, engine, place)
    # The whole name: UIDs differ in their last part only.
    folder = out or Path("segmented") / clip.name
    if several:
        _many(clip, trained, folder, settings, place, progress)
    else:
        _single(clip, trained, folder, settings, place, progress)


def _single(
    clip: Path, trained: Trained, folder: Path, settings: Settings, device: torch.device, progress: bool
) -> None:
    from harness.jobs import Progress
    from harness.segment import ListedClip, kept_or_segmented

    listed = ListedClip(path=clip, name=folder.name)
    with Progress("segmenting", settings.count(listed), shown=progress, unit="frames") as bar:
        made, summary = kept_or_segmented(listed, trained, folder, settings, device=device, tick=bar.advance)
    _print(summary, folder, kept=not made)


def _many(
    clips: Path, trained: Trained, folder: Path, settings: Settings, device: torch.device, progress: bool
) -> None:
    from harness.errors import BenchError
    from harness.jobs import Progress
    from harness.segment import TABLE, clips_of, segment_all

    listed = clips_of(clips, beside=folder)
    with Progress("segmenting", len(listed), shown=progress, unit="clips") as bar:
        done = segment_all(listed, trained, folder, settings, device=device, advance=lambda text: bar.advance(1, text))
    counts = {status: sum(each.status == status for each in done) for status in ("done", "kept", "failed")}
    click.echo(
        f"{counted(counts['done'], 'clip')} segmented with {trained.name}, {counts['kept']} kept, {counts['failed']} failed."
    )
    click.echo(f"written: {folder / TABLE}")
    if counts["failed"]:
        for each in done:
            if each.error:
                click.echo(f"{each.clip.name}: {each.error}", err=True)
        raise BenchError(
            f"{counts['failed']} of {len(done)} clips failed; {folder / TABLE} says why, the others are done."
        )


def _print(summary: dict[str, Any], folder: Path, *, kept: bool) -> None:
    """Frames, EF with its method, notes, folder."""
    click.echo(
        f"{counted(summary['frames'], 'frame')} segmented with {summary['run']}." + (" Kept as it was." if kept else "")
    )
    for index, beat in enumerate(summary["beats"], start=1):
        click.echo(f"Beat {index}: ED is frame {beat['ed']}, ES is frame {beat['es']} (counted from 0).")
    for estimate in summary["single_view_estimates"]:
        click.echo(_estimate_line(estimate))
    for line in (*summary["notes"], f"written: {folder}"):
        click.echo(line)


def _estimate_line(estimate: dict[str, Any]) -> str:
    volumes, spread = "", ""
    if estimate["edv_ml"] is not None and estimate["esv_ml"] is not None:
        volumes = f" (EDV {estimate['edv_ml']:.0f} mL, ESV {estimate['esv_ml']:.0f} mL)"
    if estimate["ef_sd"] is not None:
        spread = f" ± {estimate['ef_sd']:.1f} over {len(estimate['by_beat'])} beats"
    value = "missing" if estimate["ef_percent"] is None else f"{estimate['ef_percent']:.1f} %"
    return f"EF, {estimate['method']}, single view: {value}{spread}{volumes}"
