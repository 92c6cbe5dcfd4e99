"""From a clip and a trained run to a folder of results; memory does not grow with the clip."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data.media.frames import FrameSource
from harness.files import write_json, write_text
from harness.segment.curve import plot_areas
from harness.segment.dicom_seg import SEGMENTATION, make_segmentation
from harness.segment.nifti import write_masks
from harness.segment.outcome import Outcome, notes_of, summary_json
from harness.segment.overlay import OVERLAY_FILES, Kind
from harness.segment.readout import Estimate, MeasuredBeat, area_table, estimate_ef, measure_beats
from harness.segment.report import REPORT, Identity, check_libraries, make_report, save_object
from harness.segment.streaming import Streamed, stream_clip
from harness.segment.trained import Trained
from harness.segment.trust import judge

MASKS, AREAS, CURVE, SUMMARY = "masks.nii.gz", "areas.csv", "areas.png", "summary.json"
CPU = torch.device("cpu")


def segment(
    source: FrameSource,
    trained: Trained,
    folder: Path,
    *,
    overlay: Kind = "avi",
    report: Identity = "none",
    device: torch.device | None = None,
    tick: Callable[[], None] = lambda: None,
    made_from: dict[str, Any] | None = None,
) -> Outcome:
    """Segment a clip and write masks, area curve, overlay and summary to ``folder``.

    Label maps and overlay go to a hidden folder inside ``folder`` while frames come in; results move into place when
    the clip is done, so that a stopped run leaves earlier results as they were.

    Args:
        report: whether DICOM objects of a DICOM clip are written, with or without its patient (``report``, ``dicom_seg``).
        tick: called once per frame.
        made_from: what tells this result from another one of the same name; kept in the summary.

    Raises:
        DataError: the clip has no frames, cannot be decoded, its region does not fit, or it lacks what a report needs.
        BenchError: the model's output is not finite, or the disk is full.
    """
    check_clip(source, report)
    streamed = stream_clip(source, trained, folder, overlay=overlay, device=device or CPU, tick=tick)
    return finish_clip(streamed, report=report, made_from=made_from)


def check_clip(source: FrameSource, report: Identity) -> None:
    """Raise ``DataError`` or ``ConfigError`` where a clip cannot be segmented so, before any time is spent on it."""
    source.check_chosen()
    if report != "none" and source.instances:
        check_libraries()


def finish_clip(streamed: Streamed, *, report: Identity = "none", made_from: dict[str, Any] | None = None) -> Outcome:
    """The second half of a clip: beats, EF, trust, and every file that is written at its end. The model is not asked.

    Raises:
        DataError: the clip lacks what a report needs. BenchError: the disk is full.
    """
    with streamed.held:
        return _finish(streamed, report, made_from or {})


def _finish(streamed: Streamed, report: Identity, made_from: dict[str, Any]) -> Outcome:
    source, trained, folder, counts = streamed.source, streamed.trained, streamed.folder, streamed.counts
    beats = _beats(counts, streamed.masks, trained, source)
    estimates = estimate_ef(beats, metric=source.spacing_mm is not None)
    trust = judge(
        streamed.observer,
        beats,
        trained,
        asked=streamed.asked,
        spacing_mm=source.spacing_mm or (1.0, 1.0),
        ef_sd=estimates[0].ef_sd if estimates else math.nan,
    )
    # Before anything of an earlier result goes: the clip may lack what a report needs.
    objects = _dicom_objects(source, trained, streamed.masks, estimates, report)
    # A summary of the earlier result beside masks of this one would be read as whole.
    (folder / SUMMARY).unlink(missing_ok=True)
    files = _write(folder, streamed.masks, counts, beats, trained, source)
    if streamed.video.is_file():
        os.replace(streamed.video, folder / streamed.video.name)
        files.append(folder / streamed.video.name)
    files += [save_object(folder / name, made) for name, made in objects.items()]
    _drop_earlier(folder, files)
    outcome = Outcome(
        frames=len(counts),
        empty=int(np.count_nonzero(counts[:, LABELS["lv"] - 1] == 0)),
        beats=beats,
        estimates=estimates,
        trust=trust,
        files=(*files, folder / SUMMARY),
    )
    outcome = replace(outcome, notes=notes_of(source, trained, outcome))
    summary = {**summary_json(outcome, source, trained), "made_from": made_from}
    # Last, and read first: a folder with a summary is whole.
    write_json(folder / SUMMARY, summary)
    return replace(outcome, summary=summary)


def _dicom_objects(
    source: FrameSource,
    trained: Trained,
    masks: NDArray[np.uint8],
    estimates: Sequence[Estimate],
    identity: Identity,
) -> dict[str, Any]:
    """Report and segmentation of a DICOM clip by their files' names; nothing for other clips, or where there is nothing to say."""
    if not source.instances or identity == "none":
        return {}
    segmentation = make_segmentation(source.instances, masks, trained.structures, run=trained.name, identity=identity)
    report = make_report(source.instances, estimates, run=trained.name, identity=identity)
    return {name: made for name, made in ((REPORT, report), (SEGMENTATION, segmentation)) if made is not None}


def _drop_earlier(folder: Path, files: list[Path]) -> None:
    """Remove what an earlier result wrote and this one does not: its report beside these masks would tell another EF."""
    for name in (*OVERLAY_FILES, REPORT, SEGMENTATION):
        if folder / name not in files:
            (folder / name).unlink(missing_ok=True)


def _beats(
    counts: NDArray[np.int64], masks: NDArray[np.uint8], trained: Trained, source: FrameSource
) -> tuple[MeasuredBeat, ...]:
    """ED and ES of every beat; nothing where the run segments no LV or the curve shows no beat."""
    if "lv" not in trained.structures:
        return ()
    return measure_beats(masks, counts[:, LABELS["lv"] - 1], source.spacing_mm, source.frame_rate_hz)


def _write(
    folder: Path,
    masks: NDArray[np.uint8],
    counts: NDArray[np.int64],
    beats: tuple[MeasuredBeat, ...],
    trained: Trained,
    source: FrameSource,
) -> list[Path]:
    table = area_table(counts, trained.structures, source.spacing_mm, source.frame_rate_hz)
    write_masks(folder / MASKS, masks, source.spacing_mm)
    write_text(folder / AREAS, table.to_csv(index=False))
    plot_areas(table, beats, folder / CURVE)
    return [folder / MASKS, folder / AREAS, folder / CURVE]
