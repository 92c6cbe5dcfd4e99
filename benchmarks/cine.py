"""Figures of cine clips on a CAMUS root: geometry of every patient, pictures and cost of a sample, the discriminator.

    python benchmarks/cine.py --root PATH/camus [--views 4CH] [--every 17] [--sequence half_sequence.nii.gz]

Prints Markdown; writes nothing. Geometry takes about half a second a patient, a full clip one to two at native size.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from harness.clip import LABELS, Clip
from harness.data import Camus, Phantom
from harness.data.dataset import SPLITS
from harness.data.nifti import read_frames
from harness.data.resample import resize_frames, resize_masks
from harness.phantom import generate
from harness.phantom.cine import make_clip
from harness.phantom.cine.labels import blended, shares, warped
from harness.phantom.cine.nearness import frame_statistics, measure_clip
from harness.phantom.cine.outlines import CineRefusal
from harness.phantom.cine.timing import half_beat
from harness.phantom.cine.warp import warp
from harness.phantom.motion import bright_correlations

GATES = {"lv": 0.97, "myo": 0.93, "la": 0.93}


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--views", default="4CH")
    parser.add_argument("--every", type=int, default=17, help="full clips of every so many patients")
    parser.add_argument("--limit", type=int, help="geometry of the first so many patients only")
    parser.add_argument("--phantom", type=int, default=6, help="phantom patients for the comparison with exact truth")
    parser.add_argument("--sequence", type=Path, help="a real half sequence, measured with the same functions")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    dataset = Camus(arguments.root, views=arguments.views.split(","), clip="ed_es", allow_partial=True)
    cases = sorted(case for split in SPLITS for case in dataset.cases(split))[: arguments.limit]
    with threadpool_limits(1):
        print(f"load average at the start {os.getloadavg()[0]:.1f}\n")
        if arguments.phantom:
            truth(arguments.phantom)
        geometry(dataset.load(case) for case in cases)
        pictures([dataset.load(case) for case in cases[:: arguments.every]])
    if arguments.sequence:
        frames = read_frames(arguments.sequence)
        row = pd.Series(bright_correlations(frames.pixels, frames.spacing_mm[0]))
        print("## A real half sequence, same functions\n\n" + row.round(2).to_frame("value").T.to_markdown() + "\n")


def truth(patients: int) -> None:
    """Masks of middle frames against the phantom's own, from its ED and ES masks alone."""
    with tempfile.TemporaryDirectory() as folder:
        root = generate(Path(folder) / "root", patients=(patients - 2, 1, 1), pixel_mm=0.462, workers=1, progress=False)
        dataset = Phantom(root, views=("4CH",), clip="half")
        clips = [dataset.load(case) for split in SPLITS for case in dataset.cases(split)]
    rows = [row for clip in clips for row in against_truth(clip)]
    table = pd.DataFrame(rows)
    print(f"## Against exact truth: {len(table)} middle frames of {len(clips)} phantom patients\n")
    print(table.agg(["mean", "min"]).T.round(4).to_markdown() + "\n", flush=True)


def against_truth(clip: Clip) -> Iterator[dict[str, float]]:
    """Dice of each middle frame."""
    assert clip.spacing_mm is not None
    masks = clip.masks if clip.ed == 0 else clip.masks[::-1]
    last, stills = len(masks) - 1, masks[[0, -1]]
    places = warp(stills, clip.spacing_mm, half_beat(last + 1)).flow.at_pixels(stills.shape[1:], clip.spacing_mm)
    ends = shares(stills[0]), shares(stills[1])
    for index in range(1, last):
        carried = warped(ends[0], places.back(index)), warped(ends[1], places.to_es(index))
        made = blended(*carried, index / last, clip.spacing_mm)
        yield {name: dice(made == label, masks[index] == label) for name, label in LABELS.items()}


def geometry(stills: Iterator[Clip]) -> None:
    """One-sided warps against the other still's mask, folds, refusals."""
    rows, refused = [], []
    for clip in stills:
        started = time.process_time()
        try:
            rows.append({"case": clip.case.name, **one_sided(clip), "seconds": time.process_time() - started})
        except CineRefusal as refusal:
            refused.append(f"{clip.case.name}: {refusal}")
    table = pd.DataFrame(rows).set_index("case")
    print(f"## Geometry: {len(table)} pairs, {len(refused)} refused\n")
    print(table.drop(columns="settings").describe(percentiles=[0.01, 0.05, 0.5, 0.95]).T.round(3).to_markdown() + "\n")
    for name, gate in GATES.items():
        print(f"- {name} Dice >= {gate}: {(table[name] >= gate).sum()} ({(table[name] >= gate).mean():.1%})")
    print(f"- all three: {np.logical_and.reduce([table[name] >= gate for name, gate in GATES.items()]).sum()}")
    print(f"- least Jacobian <= 0: {(table['jacobian'] <= 0).sum()}; below 0.02: {(table['jacobian'] < 0.02).sum()}")
    print("- settings: " + "; ".join(f"{name} {count}" for name, count in table["settings"].value_counts().items()))
    for line in refused:
        print(f"- refused: {line}")
    low = table[np.logical_or.reduce([table[name] < gate for name, gate in GATES.items()])]
    print("\n" + low.round(3).to_markdown() + "\n", flush=True)


def one_sided(clip: Clip, frames: int = 18) -> dict[str, float | str]:
    """Dice of the ED mask carried to ES with the real ES mask, inverse consistency, least Jacobian."""
    assert clip.spacing_mm is not None
    made = warp(clip.masks, clip.spacing_mm, half_beat(frames))
    shape = clip.masks.shape[1:]
    places = made.flow.at_pixels(shape, clip.spacing_mm)
    back, there = places.back(frames - 1), places.to_es(0)
    carried = warped(shares(clip.masks[0]), back).argmax(axis=-1)
    values = {name: dice(carried == label, clip.masks[1] == label) for name, label in LABELS.items()}
    rows, columns = np.indices(shape, dtype=np.float32)
    again = np.stack([warped(plane, there) for plane in back]) - np.stack([columns, rows])
    error = np.hypot(again[0] * clip.spacing_mm[1], again[1] * clip.spacing_mm[0])[clip.masks[0] > 0]
    settings = made.settings
    words = f"grid {settings.grid_mm:g}, lambda {settings.stiffness:g}{'' if settings.atrium else ', no atrium'}"
    extra = {"jacobian": made.flow.least_jacobian, "inverse_p99_mm": float(np.percentile(error, 99)), "settings": words}
    return values | extra


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two bool maps."""
    return float(2 * (first & second).sum() / max(1, first.sum() + second.sum()))


def pictures(stills: list[Clip]) -> None:
    """Cost, nearness to the stills and to a real sequence, and the discriminator of a sample."""
    native, small = [], []
    clips = []
    for clip in stills:
        started = time.process_time()
        clips.append(make_clip(clip))
        native.append(time.process_time() - started)
        started = time.process_time()
        make_clip(at_size(clip, 256))
        small.append(time.process_time() - started)
    print(f"## Pictures of {len(clips)} clips, {sum(len(clip.frames) for clip in clips)} frames\n")
    for name, values in (("native", native), ("256 px", small)):
        print(f"- CPU seconds a clip, one thread, {name}: median {np.median(values):.2f}, largest {max(values):.2f}")
    table = pd.DataFrame([measure_clip(clip) for clip in clips])
    print("\n" + table.describe(percentiles=[0.05, 0.5, 0.95]).T.round(3).to_markdown() + "\n", flush=True)
    print(f"- discriminator, stills against middle frames, leave one patient out: AUC {discriminator(clips):.3f}\n")


def at_size(clip: Clip, size: int) -> Clip:
    """The stills resized to a square."""
    assert clip.spacing_mm is not None
    height, width = clip.frames.shape[1:]
    spacing = (clip.spacing_mm[0] * height / size, clip.spacing_mm[1] * width / size)
    return replace(
        clip, frames=resize_frames(clip.frames, size), masks=resize_masks(clip.masks, size), spacing_mm=spacing
    )


def discriminator(clips: list[Clip]) -> float:
    """AUC of a logistic regression on frame statistics, each patient predicted by the others."""
    tables = [frame_statistics(clip) for clip in clips]
    features = [table.to_numpy() for table in tables]
    truth = [np.array([0 < index < len(table) - 1 for index in range(len(table))]) for table in tables]
    scores = []
    for left_out in range(len(clips)):
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
        others = [index for index in range(len(clips)) if index != left_out]
        model.fit(np.concatenate([features[i] for i in others]), np.concatenate([truth[i] for i in others]))
        scores.append(model.decision_function(features[left_out]))
    return float(roc_auc_score(np.concatenate(truth), np.concatenate(scores)))


if __name__ == "__main__":
    main()
