"""Trained runs on real videos with another model's mask beside every frame: agreement, flicker, EF of each beat.

    git clone https://github.com/echonet/dynamic && python benchmarks/real_video.py --videos dynamic/docs/media --runs A,B

The owners of EchoNet-Dynamic show nine of their test videos with their own model's LV painted over a copy of each frame (112 x
224 pixels: raw left, overlay right). The masks are a machine's: agreement with them is no accuracy. The videos are under the
owners' terms; nothing of them is written anywhere, only numbers are printed. Time: seconds per run. See docs/real-video.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from harness.errors import BenchError, ConfigError, DataError
from harness.evaluation.beats import find_beats
from harness.evaluation.clinical import ejection_fraction, long_axis_profile, simpson_single_ml
from harness.evaluation.overlap import overlap_metrics
from harness.evaluation.prediction import label_maps
from harness.evaluation.temporal import area_curve, area_error, flicker, mean_or_nan
from harness.experiments.trained import load_trained, predictor
from harness.store.runs import Run, RunStore
from harness.vocabulary import AUTO_UNET

RATE_HZ = 50.0
"""The owners' videos were made at 50 frames a second, which the files state."""
PAINTED = 100
"""Blue less red of a painted pixel; grey pixels have none, and video compression keeps them far below this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """Grey frames and the owners' masks, [T, H, W] each."""

    name: str
    frames: NDArray[np.uint8]
    masks: NDArray[np.bool_]


def read_video(path: Path) -> Video:
    """Both halves of one of the owners' videos.

    Raises:
        DataError: it cannot be decoded, is not two pictures side by side, or nothing is painted in it.
    """
    stream, pictures = cv2.VideoCapture(str(path)), []
    while (picture := stream.read()[1]) is not None:
        pictures.append(picture)
    if not pictures or pictures[0].shape[1] % 2:
        raise DataError(f"{path} cannot be read as two pictures side by side; give the owners' files 0X*.mp4.")
    both = np.stack(pictures)
    left, right = np.split(both, 2, axis=2)
    painted = right[..., 0].astype(int) - right[..., 2] > PAINTED
    if not painted.any():
        raise DataError(f"Nothing is painted in the right half of {path}; give the owners' files 0X*.mp4.")
    grey = np.stack([cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in left])
    return Video(name=path.stem, frames=grey, masks=painted)


def predicted(run: Run, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The run's LV on every frame, streaming from the first, at the frames' size."""
    side = run.spec.recipe["image_size"]
    way = cv2.INTER_AREA if side < frames.shape[1] else cv2.INTER_LINEAR
    resized = np.stack([cv2.resize(frame, (side, side), interpolation=way) for frame in frames])
    predict = predictor(load_trained(run), torch.device("cpu"))
    logits = predict(torch.from_numpy(resized).unsqueeze(1).float().div_(255), None)
    # Class 1 is the LV in every structure set.
    return label_maps(logits, (frames.shape[1], frames.shape[2])) == 1


def beat_ef(masks: NDArray[np.bool_]) -> float:
    """Mean EF over the beats of a mask's area curve by single-plane Simpson's rule; pixels are square here. NaN without a beat."""
    beats = find_beats(area_curve(masks), RATE_HZ)
    volumes = [[simpson_single_ml(long_axis_profile(masks[end], (1.0, 1.0))) for end in (b.ed, b.es)] for b in beats]
    return mean_or_nan([ejection_fraction(edv, esv) for edv, esv in volumes])


def measured(video: Video, masks: NDArray[np.bool_]) -> dict[str, float]:
    """What one model's masks on one video come to, beside the owners' masks."""
    dice = [overlap_metrics(mine, theirs)["dice"] for mine, theirs in zip(masks, video.masks, strict=True)]
    return {
        "agreement": 100 * mean_or_nan(dice),
        "below_half": 100 * float(np.mean(np.array(dice) < 0.5)),
        "flicker": 100 * flicker(masks),
        "flicker_owners": 100 * flicker(video.masks),
        "area_error": 100 * area_error(area_curve(masks), area_curve(video.masks)),
        "ef": beat_ef(masks),
        "ef_owners": beat_ef(video.masks),
    }


def table(runs: Sequence[Run], videos: Sequence[Video]) -> pd.DataFrame:
    """One row per run and video."""
    rows = [
        {"model": run.spec.model["label"], "video": video.name, **measured(video, predicted(run, video.frames))}
        for run in runs
        for video in videos
    ]
    return pd.DataFrame(rows)


def chosen(names: str, results: Path) -> list[Run]:
    """The finished runs of these names.

    Raises:
        ConfigError: one is not finished, or needs a mask of the first frame. BenchError: there is none of a name.
    """
    runs = [RunStore(results).get(name) for name in names.split(",")]
    for run in runs:
        if run.status != "finished" or run.spec.protocol["first_frame"] not in ("auto", AUTO_UNET):
            raise ConfigError(
                f"The run {run.name} is {run.status} under '{run.spec.protocol['first_frame']}'; name finished runs that need no mask."
            )
    return runs


@click.command()
@click.option("--videos", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--runs", required=True, help="Names of finished runs, as `echobench runs` lists them.")
@click.option("--results-dir", type=click.Path(path_type=Path), default=Path("results/runs"), show_default=True)
def main(videos: Path, runs: str, results_dir: Path) -> None:
    """Print the table of every run on every video, and the means over videos."""
    torch.set_num_threads(1)
    paths = sorted(videos.glob("0X*.mp4"))
    if not paths:
        raise DataError(f"There is no video 0X*.mp4 in {videos}; give the folder docs/media of the owners' repository.")
    rows = table(chosen(runs, results_dir), [read_video(path) for path in paths])
    rows["ef_error"] = (rows["ef"] - rows["ef_owners"]).abs()
    print(rows.round(1).to_string(index=False))
    print(
        f"\nMeans over {len(paths)} videos\n{rows.groupby('model', sort=False).mean(numeric_only=True).round(1).to_string()}"
    )


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        raise SystemExit(str(error)) from None
