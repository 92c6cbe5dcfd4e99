"""How near the phantom's speckle is to real speckle in time: at fixed pixels and on moving tissue, both for both.

    python benchmarks/phantom_nearness.py --root data/phantom-... --sequence patientXXXX_2CH_half_sequence.nii.gz

Correlations of the residual (frames less their mean over 1.5 mm) at lags of 1 to 5 frames, median over patients. "Fixed" compares pixels
where they are, "moving" carries the later frame back along its optical flow, in the brightest fifth of the sector deeper than 30 mm,
which needs no masks and so can be measured on a real sequence too. "Points" takes the wall of a heart that stands still: what the
speckle itself keeps. Of whole cycles also the correlation one beat apart. Time: about 2 s a sequence.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import ndimage

from harness.phantom import draw_patient, read_manifest, render_clip
from harness.phantom.measures import speckle_trace, temporal_correlation
from harness.phantom.motion import LAGS, bright_correlations, bright_tissue
from harness.phantom.reading import read_pixels

REAL_BEAT = "0.09 to 0.14 (a loop of 120 frames at 30 Hz)"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="a phantom")
    parser.add_argument("--sequence", type=Path, nargs="*", default=[], help="real half sequences")
    parser.add_argument("--limit", type=int, default=12, help="patients of the phantom")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    folders = sorted((arguments.root / "database_nifti").iterdir())[: arguments.limit]
    rows = {
        f"phantom, {len(folders)} half sequences": measured([f / f"{f.name}_4CH_half_sequence.nii.gz" for f in folders])
    }
    rows |= (
        {f"real, {len(arguments.sequence)} half sequence": measured(arguments.sequence)} if arguments.sequence else {}
    )
    for title, way in (("Fixed pixels", "fixed"), ("Moving tissue", "carried")):
        table = {name: {lag: row[f"bright_{way}_{lag}"] for lag in LAGS} for name, row in rows.items()}
        print(f"## {title}\n\n{pd.DataFrame(table).T.round(2).to_markdown()}\n", flush=True)
    print(f"## Points (a heart at rest)\n\n{pd.Series(at_rest()).round(2).to_frame('phantom').T.to_markdown()}\n")
    if all((folder / f"{folder.name}_4CH_cycles.nii.gz").is_file() for folder in folders):
        values = [one_beat_apart(arguments.root, folder) for folder in folders]
        print(
            f"## One beat apart, bright tissue, fixed pixels\n\nphantom {np.nanmedian(values):.2f}, real {REAL_BEAT}\n"
        )


def measured(paths: list[Path]) -> pd.Series:
    """Medians of the correlations over sequences."""
    rows = []
    for path in paths:
        frames, pixel = read_pixels(path)
        rows.append(bright_correlations(frames.astype(np.uint8), pixel))
    return pd.DataFrame(rows).median()


def at_rest() -> dict[int, float]:
    """The wall of three hearts that do not move, 24 frames each."""
    values = []
    for index in range(3):
        patient = draw_patient(np.random.default_rng((11, index)))
        view = replace(patient.views[1], es=patient.views[1].ed, es_pose=patient.views[1].ed_pose)
        clip = render_clip(np.random.default_rng(index), view, replace(patient.acquisitions[1], frames=24), 0.6)
        trace = speckle_trace(clip.frames.astype(np.float32), 0.6)
        wall = (clip.masks == 2) & ndimage.binary_erosion(clip.frames.min(0) > 0, iterations=3)
        values.append({lag: temporal_correlation(trace, wall, lag) for lag in LAGS})
    return dict(pd.DataFrame(values).median())


def one_beat_apart(root: Path, folder: Path) -> float:
    """Correlation of end-diastole with the next, in frames that lie where they lay."""
    truth = next(item for item in read_manifest(root)["patients"] if item["id"] == folder.name)
    frames, pixel = read_pixels(folder / f"{folder.name}_4CH_cycles.nii.gz")
    beats = truth["views"]["4CH"]["cycles"]["beats"]
    ends = [beat["ed"] for beat in beats] + [len(frames) - 1]
    pairs = frames[[ends[0], ends[1]]]
    return temporal_correlation(speckle_trace(pairs, pixel), bright_tissue(pairs, pixel), 1)


if __name__ == "__main__":
    main()
