"""How well does each flag of ``echobench segment`` find the clips whose Dice is below 0.85? ROC area, sensitivity at 5 % false alarms.

    python benchmarks/trust.py --run unet-small --results-dir results/runs --data-dir data --rows phantom.csv
    python benchmarks/trust.py --table phantom.csv --table camus.csv           (both as one table)

Every test clip of the run is segmented as it is and under every perturbation at severities 1, 3 and 5. A half sequence is shown
to and fro twice, so that there are beats to compare; noise is drawn anew in each. The flags see pictures and masks alone; the Dice is
that of the LV over the frames with a reference mask. ``--prepared`` measures the run on other prepared data than its own: pictures
from outside of its training. Time: about 0.3 s of one core for a clip under one condition
(the U-Net at 64 px), so that a patient's view takes 13 s at three severities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from harness.clip import LABELS
from harness.data import PreparedCache, PreparedClip
from harness.data.media.frames import Region
from harness.errors import BenchError, ConfigError
from harness.evaluation.overlap import overlap_metrics
from harness.experiments.sweep.clips import model_frames, prepared_of, spread_clips
from harness.registry import PERTURBATIONS, list_perturbations
from harness.segment import find_trained
from harness.segment.readout import estimate_ef, measure_beats
from harness.segment.stream import label_stream
from harness.segment.trained import Trained
from harness.segment.trust import FLAGS, LIMITS, Observer, asked_again, judge
from harness.store.runs import RunStore

POOR = 0.85
FRAMES = 4
FALSE_ALARMS = 0.05
MEASURED = ("intensity", "mirrored", "moved")
"""Flags whose limits were measured; the others' were set by hand."""
CPU = torch.device("cpu")


def to_and_fro(count: int) -> NDArray[np.intp]:
    """Indices of at most ``FRAMES`` of a half sequence's frames, its ends among them, shown to and fro twice: two beats."""
    there = np.unique(np.linspace(0, count - 1, min(count, FRAMES)).round().astype(np.intp))
    return np.concatenate([there, there[-2:0:-1]] * 2 + [there[:1]])


def conditions(severities: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    """The clip as it is, then every perturbation at every severity."""
    yield "clean", 0
    for name in list_perturbations():
        for severity in severities:
            yield name, severity


def row(trained: Trained, clip: PreparedClip, name: str, severity: int) -> dict[str, Any]:
    """Dice of one clip under one condition, and the measures of its flags."""
    order = to_and_fro(len(clip))
    frames = model_frames(clip, None)[torch.from_numpy(order)]
    if severity:
        frames = PERTURBATIONS.build({"type": name})(frames, severity, clip.case.name)
    pictures = frames.mul(255).round().to(torch.uint8).numpy()
    height, width = pictures.shape[1:]
    observer, labels = Observer(Region(x=0, y=0, width=width, height=height)), []
    for each in label_stream(trained, pictures, region=None, device=CPU):
        observer.take(each.labels, each.picture)
        labels.append(each.labels)
    masks = np.stack(labels)
    beats = measure_beats(masks, np.count_nonzero(masks == LABELS["lv"], axis=(1, 2)), None, clip.frame_rate_hz)
    estimates = estimate_ef(beats, metric=False)
    spread = estimates[0].ef_sd if estimates else math.nan
    asked = asked_again(trained, observer, CPU)
    measures = judge(observer, beats, trained, asked=asked, spacing_mm=(1.0, 1.0), ef_sd=spread)
    labelled = [index for index, source in enumerate(order) if clip.labelled[source]]
    dice = [overlap_metrics(masks[i] == LABELS["lv"], clip.masks[order[i]] == LABELS["lv"])["dice"] for i in labelled]
    return {"case": clip.case.name, "perturbation": name, "severity": severity, "dice": np.mean(dice), **measures}


def rows_of(
    trained: Trained, cache: PreparedCache, split: str, clips: int, severities: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    """Rows of evenly spread clips of a split under every condition."""
    for clip in spread_clips(cache.split(split), clips):
        for name, severity in conditions(severities):
            yield row(trained, clip, name, severity)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per flag, and ``any``: how it tells poor clips from good ones; a measure that is missing raises no flag."""
    poor = (rows["dice"] < POOR).to_numpy()
    made = []
    raised = pd.DataFrame({name: rows[name] > LIMITS[name] for name in FLAGS})
    for name in FLAGS:
        # A measure that could not be taken is as unsuspicious as any.
        values = rows[name].fillna(-math.inf).to_numpy()
        limit = float(np.quantile(values[~poor], 1 - FALSE_ALARMS, method="higher"))
        made.append({"flag": name, **_told(values, poor), "limit_5": limit, **_at(raised[name].to_numpy(), poor)})
    made.append(
        {"flag": "any", **_told(raised.sum(axis=1).to_numpy(float), poor), **_at(raised.any(axis=1).to_numpy(), poor)}
    )
    return pd.DataFrame(made)


def held_out(rows: pd.DataFrame) -> pd.DataFrame:
    """What the flags find of each patient with limits from the good clips of all the others, the patients taken together.

    ``any, as shipped`` keeps the limits that were set by hand and takes those of ``MEASURED`` from the others.
    """
    patient, poor = rows["case"].str.rsplit("_", n=1).str[0], (rows["dice"] < POOR).to_numpy()
    raised = pd.DataFrame(False, index=rows.index, columns=list(FLAGS))
    for name in patient.unique():
        here = (patient == name).to_numpy()
        for flag in FLAGS:
            values = rows[flag].fillna(-math.inf).to_numpy()
            limit = np.quantile(values[~here & ~poor], 1 - FALSE_ALARMS, method="higher")
            raised.loc[here, flag] = values[here] > limit
    shipped = pd.DataFrame({flag: raised[flag] if flag in MEASURED else rows[flag] > LIMITS[flag] for flag in FLAGS})
    ways = {**{flag: raised[flag] for flag in FLAGS}, "any": raised.any(axis=1), "any, as shipped": shipped.any(axis=1)}
    return pd.DataFrame([{"flag": way, **_at(values.to_numpy(), poor)} for way, values in ways.items()])


def _told(values: NDArray[np.float64], poor: NDArray[np.bool_]) -> dict[str, float]:
    finite = np.where(np.isneginf(values), np.nanmin(np.where(np.isneginf(values), np.nan, values)) - 1, values)
    limit = np.quantile(values[~poor], 1 - FALSE_ALARMS, method="higher")
    return {
        "auc": float(roc_auc_score(poor, finite)),
        "sensitivity_at_5": float(np.mean(values[poor] > limit)),
        "taken": float(np.mean(np.isfinite(values))),
    }


def _at(raised: NDArray[np.bool_], poor: NDArray[np.bool_]) -> dict[str, float]:
    return {"false_alarms": float(raised[~poor].mean()), "sensitivity": float(raised[poor].mean())}


@click.command(help=__doc__)
@click.option("--run")
@click.option("--results-dir", default="results/runs", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("data"), show_default=True)
@click.option("--prepared", type=click.Path(path_type=Path), help="Prepared data to measure on, instead of the run's.")
@click.option("--split", default="test", show_default=True, help="val to choose limits on, test to report on.")
@click.option("--clips", default=20, show_default=True)
@click.option("--severities", default="1,3,5", show_default=True)
@click.option("--rows", "out", type=click.Path(path_type=Path), help="Write the rows to this CSV.")
@click.option("--table", "tables", type=click.Path(path_type=Path), multiple=True, help="Rows to make a table of.")
def main(
    run: str | None, results_dir: str, data_dir: Path, prepared: Path | None, split: str, clips: int, severities: str,
    out: Path | None, tables: tuple[Path, ...],
) -> None:  # fmt: skip
    torch.set_num_threads(1)
    if tables:
        rows = pd.concat([pd.read_csv(path) for path in tables], ignore_index=True)
    elif run:
        trained = find_trained(run, results_dir, None, data_dir)
        cache = (
            PreparedCache.open(prepared)
            if prepared
            else prepared_of(RunStore(results_dir).get(trained.name).spec, data_dir)
        )
        rows = pd.DataFrame(rows_of(trained, cache, split, clips, tuple(int(level) for level in severities.split(","))))
    else:
        raise ConfigError("Give --run, or --table with rows that were written before.")
    if out is not None:
        rows.to_csv(out, index=False)
    poor = int((rows["dice"] < POOR).sum())
    print(f"{len(rows)} clips, {poor} with a Dice below {POOR}")
    print(table(rows).round(3).to_string(index=False))
    print(f"Each patient held out\n{held_out(rows).round(3).to_string(index=False)}")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        raise SystemExit(str(error)) from None
