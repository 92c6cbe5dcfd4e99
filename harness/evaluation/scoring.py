"""Masks that were made elsewhere, measured as predictions are: arrays and files in, tidy rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.clip import structure_names
from harness.data.prepared import PreparedClip, PreparedSplit
from harness.data.sampling import class_table
from harness.errors import DataError
from harness.evaluation.casework import CaseWork
from harness.evaluation.evaluator import case_key, measure_split
from harness.evaluation.mask_files import Frame, MaskFolder, Masks
from harness.evaluation.metrics import DEFAULT_METRICS, metric_functions
from harness.evaluation.prediction import kept_frames, phase_of

__all__ = ["AS_GIVEN", "MaskFolder", "Masks", "Scoring", "given_masks", "missing_masks", "score_masks"]

Missing = Literal["refuse", "empty", "unseen"]
_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """How masks are taken.

    Attributes:
        missing: a case or frame without masks is refused, or counts as an ``empty`` mask (Dice 0, the field of view as
            distance): it never leaves a mean. ``unseen`` is for masks of our own runs: a frame that the model's clip length
            left out is not measured, as when the run was tested.
        resize: masks of another size than the clip's are brought to it (nearest pixel) instead of being refused.
        first_frame: ``gt`` where the program was given the reference mask of frame 0, which is then not scored.
    """

    missing: Missing = "refuse"
    resize: bool = False
    first_frame: str = "auto"


AS_GIVEN = Scoring()
"""Masks are complete and of the clips' size."""


def missing_masks(
    masks: Mapping[str, Masks], split: PreparedSplit, all_frames: bool = False, first_frame: str = "auto"
) -> list[str]:
    """What has no masks though it is measured: names of cases, and ``case frame`` where a case has masks of other frames.

    Under ``gt`` frame 0 was given and is not measured: nobody has to hand it back.
    """
    missing: list[str] = []
    for index, case in enumerate(split.cases):
        given = masks.get(case.name)
        if given is None:
            missing.append(case.name)
        elif isinstance(given, Mapping):
            missing += [
                f"{case.name} frame {frame}" for frame in _without(split.clip(index), given, all_frames, first_frame)
            ]
    return missing


def given_masks(masks: Mapping[str, Masks], split: PreparedSplit) -> list[str]:
    """Names of the given cases that the split does not have."""
    names = {case.name for case in split.cases}
    return [*(name for name in masks if name not in names), *getattr(masks, "extra", [])]


def score_masks(
    masks: Mapping[str, Masks],
    split: PreparedSplit,
    *,
    structures: str,
    run_columns: Mapping[str, Any],
    metrics: tuple[str, ...] = DEFAULT_METRICS,
    all_frames: bool = False,
    scoring: Scoring = AS_GIVEN,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure given label maps against the reference masks of a split.

    Args:
        masks: by case name (``patient0001_4CH``), integers [T, H, W] at native size with the label ids of ``LABELS``; T is
            the number of frames of the clip, or of its labelled frames. Or [H, W] by frame (its index, ``ED`` or ``ES``).
            Where one structure is scored, 255 is taken for its label.
        split: the references.
        structures, run_columns, metrics, all_frames, workers, progress: see ``evaluate``.
        scoring: what is done about masks that are missing or of another size.

    Returns:
        Columns ``ROW_COLUMNS``, as ``evaluate`` writes them.

    Raises:
        DataError: a case without masks, masks of another size or number of frames, or with unknown labels.
    """
    if scoring.missing == "refuse" and (missing := missing_masks(masks, split, all_frames, scoring.first_frame)):
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        whole = [name for name in missing if " frame " not in name]
        what = f"{len(whole)} of {len(split)} cases" if whole else f"{len(missing)} frames"
        raise DataError(
            f"There are no masks of {what} ({shown}); add them, or count them as empty masks "
            "(--missing empty), which lowers the score as a missed structure does."
        )
    functions = metric_functions(metrics)

    def works() -> Iterator[CaseWork]:
        for index in range(len(split)):
            clip = split.clip(index)
            yield case_work(
                clip,
                masks.get(clip.case.name, {}),
                structures,
                all_frames=all_frames,
                scoring=scoring,
                key=case_key(clip, run_columns),
                functions=functions,
            )

    return measure_split(works(), split, run_columns=run_columns, workers=workers, progress=progress)


def case_work(
    clip: PreparedClip,
    given: Masks,
    structures: str,
    *,
    all_frames: bool = False,
    scoring: Scoring = AS_GIVEN,
    key: Mapping[str, Any],
    functions: tuple[Any, ...],
) -> CaseWork:
    """The given masks of one clip beside its references, checked; see ``score_masks``."""
    frames = np.arange(len(clip.frames), dtype=np.int64)
    if isinstance(given, Mapping) and (all_frames or scoring.missing == "unseen"):
        # Frames that nobody asked the program to segment are no answer; drawn ones without a mask are (``missing``).
        needed = clip.labelled & (scoring.missing != "unseen")
        frames = frames[[bool(needed[frame]) or _of_frame(clip, given, int(frame)) is not None for frame in frames]]
    kept, _ = kept_frames(clip, frames, all_frames)
    phases = tuple(phase_of(clip, int(frame)) for frame in kept)
    table = class_table(structures, clip.labels)
    scored = np.array([phase != "" for phase in phases], dtype=bool)
    if scoring.first_frame == "gt":
        scored &= kept != 0
    return CaseWork(
        classes=structure_names(structures),
        frames=kept,
        phases=phases,
        scored=scored,
        predicted=table[_at_frames(clip, given, kept, scoring, single=_only_label(clip, structures))],
        reference=table[clip.native_masks()[kept]],
        spacing_mm=clip.spacing_mm,
        ed=clip.ed,
        es=clip.es,
        temporal=all_frames and len(kept) > 2,
        frame_rate_hz=clip.frame_rate_hz,
        key=dict(key),
        functions=functions,
    )


def _only_label(clip: PreparedClip, structures: str) -> int | None:
    names = structure_names(structures)
    return clip.labels[names[0]] if len(names) == 1 else None


def _at_frames(
    clip: PreparedClip, given: Masks, kept: NDArray[np.int64], scoring: Scoring, *, single: int | None
) -> NDArray[np.uint8]:
    """The given label maps [n, H, W] of the frames that are measured, checked."""
    if isinstance(given, Mapping):
        size = tuple(clip.native_size)
        chosen = [_of_frame(clip, given, int(frame)) for frame in kept]
        stills = [np.zeros((1, *size), np.uint8) if mask is None else np.asarray(mask)[None] for mask in chosen]
        checked = [_checked(clip, still, scoring, single) for still in stills]
        # What was given is what the program knew of frame 0: an empty mask in its place would leave no EF.
        if scoring.first_frame == "gt" and len(kept) and kept[0] == 0 and chosen[0] is None:
            checked[0] = clip.native_masks()[:1]
        return np.concatenate(checked)
    array = _checked(clip, np.asarray(given), scoring, single)
    labelled = np.flatnonzero(clip.labelled)
    if scoring.first_frame == "gt" and len(array) in (len(clip.frames) - 1, len(labelled) - 1) and clip.labelled[0]:
        array = np.concatenate([clip.native_masks()[:1], array])
    if len(array) == len(clip.frames):
        return array[kept]
    # A clip's labelled frames are usually two of many; whoever segmented only these need not fill up the rest.
    if len(array) == len(labelled) and np.isin(kept, labelled).all():
        return array[np.searchsorted(labelled, kept)]
    raise DataError(
        f"The masks of {clip.case.name} are of {len(array)} frames; its clip has {len(clip.frames)}, of which "
        f"{len(labelled)} are labelled."
    )


def _of_frame(clip: PreparedClip, given: Mapping[Frame, NDArray[Any]], frame: int) -> NDArray[Any] | None:
    """The mask of a frame, by its index or its phase; None where there is none."""
    mask = given.get(frame)
    return given.get(clip.phase(frame)) if mask is None else mask


def _without(clip: PreparedClip, given: Mapping[Frame, NDArray[Any]], all_frames: bool, first_frame: str) -> list[int]:
    """Labelled frames that are measured and have no mask."""
    measured, _ = kept_frames(clip, np.arange(len(clip.frames), dtype=np.int64), all_frames)
    needed = [int(frame) for frame in measured if clip.labelled[frame] and not (first_frame == "gt" and frame == 0)]
    return [frame for frame in needed if _of_frame(clip, given, frame) is None]


def _checked(clip: PreparedClip, given: NDArray[Any], scoring: Scoring, single: int | None) -> NDArray[np.uint8]:
    """Label maps [T, H, W] of native size with known labels."""
    name, size = clip.case.name, tuple(clip.native_size)
    if given.ndim != 3 or (given.shape[1:] != size and not scoring.resize):
        raise DataError(
            f"The masks of {name} have the shape {given.shape}; they must be [T, {size[0]}, {size[1]}], the size of the "
            "clip (--resize brings masks of another size to it)."
        )
    labels = set(np.unique(given).tolist())
    if single is not None and labels <= {0, 255}:
        given = (given > 0) * single  # a binary mask as pictures show it
    # Label 255 as "ignore", or ids of another dataset, would be scored as background.
    elif strange := sorted(labels - {0, *clip.labels.values()}):
        raise DataError(
            f"The masks of {name} hold the unknown label {strange[0]:g}; labels are {clip.labels}, 0 is background."
        )
    given = given.astype(np.uint8)
    if given.shape[1:] == size:
        return given
    # Nearest: a mean of two class numbers is a third class.
    resized = [cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT) for mask in given]
    return np.stack(resized)
