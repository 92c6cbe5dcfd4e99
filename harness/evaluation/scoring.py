"""Masks that were made elsewhere, measured as predictions are: arrays and files in, tidy rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data.nifti import read_labels
from harness.data.prepared import PreparedClip, PreparedSplit
from harness.data.sampling import class_table, structure_names
from harness.errors import DataError
from harness.evaluation.casework import CaseWork
from harness.evaluation.evaluator import case_key, measure_split
from harness.evaluation.metrics import DEFAULT_METRICS, metric_functions
from harness.evaluation.prediction import kept_frames, phase_of

SUFFIXES = (".npy", ".nii.gz", ".nii")


def score_masks(
    masks: Mapping[str, NDArray[Any]],
    split: PreparedSplit,
    *,
    structures: str,
    run_columns: Mapping[str, Any],
    metrics: tuple[str, ...] = DEFAULT_METRICS,
    all_frames: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure given label maps against the reference masks of a split.

    Args:
        masks: by case name (``patient0001_4CH``), integers [T, H, W] at native size with the label ids of ``LABELS``; T is
            the number of frames of the clip, or of its labelled frames. Every case of the split must be there.
        split: the references.
        structures, run_columns, metrics, all_frames, workers, progress: see ``evaluate``.

    Returns:
        Columns ``ROW_COLUMNS``, as ``evaluate`` writes them.

    Raises:
        DataError: a case without masks, masks of another size or number of frames, or with unknown labels.
    """
    missing = [case.name for case in split.cases if case.name not in masks]
    if missing:
        raise DataError(
            f"There are no masks of {len(missing)} of {len(split)} cases, such as {missing[0]}; "
            "give masks of every case, an empty one where nothing was segmented."
        )
    functions = metric_functions(metrics)

    def works() -> Iterator[CaseWork]:
        for index in range(len(split)):
            clip = split.clip(index)
            yield _work(
                clip,
                masks[clip.case.name],
                structures,
                all_frames,
                key=case_key(clip, run_columns),
                functions=functions,
            )

    return measure_split(works(), split, run_columns=run_columns, workers=workers, progress=progress)


class MaskFolder(Mapping[str, "NDArray[np.uint8]"]):
    """A folder with one file of masks per case, read when it is asked for: ``<case>.npy``, ``.nii.gz`` or ``.nii``.

    Arrays in ``.npy`` are [T, H, W]; NIfTI files have the axes of CAMUS (W, H, T), T left out for a still.

    Raises:
        DataError: no such folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(
                f"{self.folder} is no folder of masks; give one with a file <case>.npy or <case>.nii.gz each."
            )
        files = sorted(path for path in self.folder.iterdir() if path.name.endswith(SUFFIXES))
        self._files = {path.name.removesuffix(".gz").rpartition(".")[0]: path for path in files}

    def __getitem__(self, case: str) -> NDArray[np.uint8]:
        """Label maps [T, H, W] of one case."""
        path = self._files[case]
        if path.suffix != ".npy":
            # Through the dataset's reader: unknown labels and axes are checked in one place.
            return read_labels(path, (0, *LABELS.values())).pixels
        try:
            # allow_pickle=False: a file of masks must not run code.
            array: NDArray[np.uint8] = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read as an array ({error}); write it with numpy.save.") from error
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _work(clip: PreparedClip, given: NDArray[Any], structures: str, all_frames: bool, **measuring: Any) -> CaseWork:
    kept, _ = kept_frames(clip, np.arange(len(clip.frames), dtype=np.int64), all_frames)
    phases = tuple(phase_of(clip, int(frame)) for frame in kept)
    table = class_table(structures)
    return CaseWork(
        classes=structure_names(structures),
        frames=kept,
        phases=phases,
        scored=np.array([phase != "" for phase in phases], dtype=bool),
        predicted=table[_at_frames(clip, np.asarray(given), kept)],
        reference=table[clip.native_masks()[kept]],
        spacing_mm=clip.spacing_mm,
        ed=clip.ed,
        es=clip.es,
        temporal=all_frames and len(kept) > 2,
        frame_rate_hz=clip.frame_rate_hz,
        **measuring,
    )


def _at_frames(clip: PreparedClip, given: NDArray[Any], kept: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The given label maps of the frames that are measured, checked."""
    name, size = clip.case.name, tuple(clip.native_size)
    if given.ndim != 3 or given.shape[1:] != size:
        raise DataError(f"The masks of {name} have the shape {given.shape}; they must be [T, {size[0]}, {size[1]}].")
    # Label 255 as "ignore", or ids of another dataset, would be scored as background.
    strange = sorted(set(np.unique(given).tolist()) - {0, *LABELS.values()})
    if strange:
        raise DataError(
            f"The masks of {name} hold the unknown label {strange[0]:g}; labels are {LABELS}, 0 is background."
        )
    labelled = np.flatnonzero(clip.labelled)
    if len(given) == len(clip.frames):
        return given[kept].astype(np.uint8)
    # A clip's labelled frames are usually two of many; whoever segmented only these need not fill up the rest.
    if len(given) == len(labelled) and np.isin(kept, labelled).all():
        return given[np.searchsorted(labelled, kept)].astype(np.uint8)
    raise DataError(
        f"The masks of {name} are of {len(given)} frames; its clip has {len(clip.frames)}, of which {len(labelled)} are labelled."
    )
