"""How much EF depends on how it is constructed, on the reference masks of CAMUS.

    python benchmarks/ejection_fraction.py data/camus [--old-release FOLDER] [--stated info.csv] [--every 1] [--moved 10]

The root is the NIfTI release (four-chamber stills are enough), FOLDER holds patients of the old .mhd release, whose cfg
files state volumes made from the same masks, and the csv (columns Patient, EF) states what the cfg files of the NIfTI
release state. ``--moved N`` also redraws the masks of every Nth patient, moved by half a pixel, turned, and on other grids, and says how
far volumes and EF move: they should not. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.data.camus_cfg import read_info
from harness.data.metaimage import read_metaimage
from harness.data.nifti import read_labels
from harness.evaluation import long_axis
from harness.evaluation.clinical import (
    ProfilePair,
    area_length_ml,
    biplane_camus_ml,
    ejection_fraction,
    profile_pair,
    simpson_biplane_ml,
    simpson_single_ml,
)

PHASES, LV = ("ED", "ES"), 1
CONSTRUCTIONS = (
    "single: each phase its own length",
    "single, plane half as flat",
    "single, plane twice as flat",
    "axis and diameters of the owners, each phase its own length",
    "axis and diameters of the owners, one length",
    "area_length",
)


def single_view(ed: NDArray[np.bool_], es: NDArray[np.bool_], spacing: tuple[float, float]) -> list[float]:
    """EF of one view in the order of ``CONSTRUCTIONS``."""
    masks = (ed, es)
    usual = [profile_pair(mask, spacing) for mask in masks]
    flatter = [_with_flatness(factor, masks, spacing) for factor in (0.5, 2.0)]
    axes = [usual, *flatter]
    own = [ejection_fraction(*(simpson_single_ml(pair.anatomical) for pair in pairs)) for pairs in axes]
    owners = ejection_fraction(*(simpson_single_ml(pair.camus) for pair in usual))
    shared = ejection_fraction(*biplane_camus_ml(*((pair.camus, pair.camus) for pair in usual)))
    return [*own, owners, shared, ejection_fraction(*(area_length_ml(pair.anatomical) for pair in usual))]


def _with_flatness(
    factor: float, masks: tuple[NDArray[np.bool_], ...], spacing: tuple[float, float]
) -> list[ProfilePair]:
    before, long_axis.FLATNESS = long_axis.FLATNESS, long_axis.FLATNESS * factor
    try:
        return [profile_pair(mask, spacing) for mask in masks]
    finally:
        long_axis.FLATNESS = before


def patients_of(root: Path, every: int) -> pd.DataFrame:
    """EF in percent [patients, constructions] of the four-chamber reference masks."""
    table = {}
    for folder in sorted((root / "database_nifti").iterdir())[::every]:
        volumes = [read_labels(folder / f"{folder.name}_4CH_{phase}_gt.nii.gz", (0, 1, 2, 3)) for phase in PHASES]
        masks = [volume.pixels[0] == LV for volume in volumes]
        table[folder.name] = single_view(masks[0], masks[1], volumes[0].spacing_mm)
    return pd.DataFrame.from_dict(table, orient="index", columns=list(CONSTRUCTIONS))


def old_release(folder: Path) -> pd.DataFrame:
    """EDV, ESV and EF of each patient by both biplane methods beside what the cfg states."""
    rows = {}
    for patient in sorted(path for path in folder.iterdir() if path.is_dir()):
        pairs = {}
        for view in ("2CH", "4CH"):
            for phase in PHASES:
                volume = read_metaimage(patient / f"{patient.name}_{view}_{phase}_gt.mhd")
                pairs[view, phase] = profile_pair(volume.pixels[0] == LV, volume.spacing_mm)
        own = [simpson_biplane_ml(*(pairs[view, phase].anatomical for view in ("2CH", "4CH"))) for phase in PHASES]
        shared = biplane_camus_ml(*((pairs["2CH", phase].camus, pairs["4CH", phase].camus) for phase in PHASES))
        info = read_info(patient / "Info_4CH.cfg")
        rows[patient.name] = {
            "biplane": _three(*own),
            "biplane_camus": _three(*shared),
            "stated with the old release": f"{info.edv_ml:.1f} / {info.esv_ml:.1f} / {info.ef_percent:.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def redrawn(
    mask: NDArray[np.bool_], spacing: tuple[float, float]
) -> Iterator[tuple[str, NDArray[np.bool_], tuple[float, float]]]:
    """The same outline on other grids: name, mask [H, W] and pixel size."""
    height, width = mask.shape
    soft = mask.astype(np.float32)
    row, column = spacing

    def warped(matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(cv2.warpAffine(soft, matrix, (width, height), flags=cv2.INTER_LINEAR) > 0.5)

    # Not half: there linear interpolation ties, and the threshold would take a row away.
    yield "moved by 0.4 pixels", warped(np.array([[1, 0, 0.4], [0, 1, 0.4]])), spacing
    for degrees in (-5.0, 5.0):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        # In mm: a turn of pixels that are not square is no turn.
        turn[0, 1], turn[1, 0] = turn[0, 1] * row / column, turn[1, 0] * column / row
        centre = np.array([width / 2, height / 2])
        turn[:, 2] = centre - turn[:, :2] @ centre
        yield f"turned by {degrees:+.0f} degrees", warped(turn), spacing
    for name, (down, across) in {
        "half the rows": (0.5, 1.0), "half of both": (0.5, 0.5), "twice as fine": (2.0, 2.0), "256 x 256": (256 / height, 256 / width),
    }.items():  # fmt: skip
        size = (round(width * across), round(height * down))
        fine = cv2.resize(soft, size, interpolation=cv2.INTER_AREA if down < 1 else cv2.INTER_LINEAR) > 0.5
        yield name, np.asarray(fine), (row * height / size[1], column * width / size[0])


def moved(root: Path, every: int) -> pd.DataFrame:
    """How far single-plane volume [%] and EF [points] of redrawn masks lie from those of the masks as they are."""
    volumes, fractions = [], []
    for folder in sorted((root / "database_nifti").iterdir())[::every]:
        read = [read_labels(folder / f"{folder.name}_4CH_{phase}_gt.nii.gz", (0, 1, 2, 3)) for phase in PHASES]
        masks = [each.pixels[0] == LV for each in read]
        before = [_single(mask, each.spacing_mm) for mask, each in zip(masks, read, strict=True)]
        ways = zip(*(redrawn(mask, each.spacing_mm) for mask, each in zip(masks, read, strict=True)), strict=True)
        for ends in ways:
            after = [_single(mask, spacing) for _, mask, spacing in ends]
            volumes += [(ends[0][0], 100 * abs(new / old - 1)) for new, old in zip(after, before, strict=True)]
            fractions.append((ends[0][0], abs(ejection_fraction(*after) - ejection_fraction(*before))))
    parts = []
    for name, values in {"volume [%]": volumes, "EF [points]": fractions}.items():
        grouped = pd.DataFrame(values, columns=["way", "value"]).groupby("way", sort=False)["value"]
        parts.append(
            pd.DataFrame(
                {f"{name}: median": grouped.median(), "95 % within": grouped.quantile(0.95), "largest": grouped.max()}
            )
        )
    return pd.concat(parts, axis=1).round(2)


def _single(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> float:
    return simpson_single_ml(profile_pair(mask, spacing).anatomical)


def _three(edv: float, esv: float) -> str:
    return f"{edv:.1f} / {esv:.1f} / {ejection_fraction(edv, esv):.1f}"


def summary(ef: pd.DataFrame, stated: pd.Series | None) -> pd.DataFrame:
    """Mean and SD of each construction, its distance from the first, and its error against the stated EF."""
    distance = ef.sub(ef.iloc[:, 0], axis=0).abs()
    columns = {
        "mean": ef.mean(),
        "SD": ef.std(),
        "missing": ef.isna().sum(),
        "mean distance": distance.mean(),
        "95 % within": distance.quantile(0.95),
    }
    if stated is not None:
        columns["MAE against the stated EF"] = ef.sub(stated.reindex(ef.index), axis=0).abs().mean()
    return pd.DataFrame(columns).round(1)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--old-release", type=Path)
    parser.add_argument("--stated", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--moved", type=int)
    options = parser.parse_args()
    if options.old_release:
        print(f"EDV / ESV / EF\n\n{old_release(options.old_release).to_markdown()}\n")
    if options.moved:
        print(
            f"Masks redrawn, every {options.moved}th patient\n\n{moved(options.root, options.moved).to_markdown()}\n",
            flush=True,
        )
    stated = pd.read_csv(options.stated).set_index("Patient")["EF"] if options.stated else None
    ef = patients_of(options.root, options.every)
    print(f"EF of {len(ef)} patients, 4CH reference masks\n\n{summary(ef, stated).to_markdown()}")
    train = options.root / "database_split" / "subgroup_training.txt"
    if train.is_file():
        chosen = ef[ef.index.isin(train.read_text().split())]
        print(f"\nThe {len(chosen)} training patients\n\n{summary(chosen, stated).to_markdown()}")
    if stated is not None:
        print(f"\nStated EF: mean {stated.reindex(ef.index).mean():.1f}")


if __name__ == "__main__":
    main()
