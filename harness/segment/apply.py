"""From a clip and a trained run to a folder of results, in one pass; memory does not grow with the clip."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data.media.frames import Frame, FrameSource, Region
from harness.errors import BenchError, DataError
from harness.files import write_json, write_text
from harness.leftovers import private_folder
from harness.segment.ahead import ahead
from harness.segment.curve import plot_areas
from harness.segment.nifti import write_masks
from harness.segment.outcome import Outcome, notes_of, summary_json
from harness.segment.overlay import Kind, Write, draw_overlay, overlay_writer
from harness.segment.readout import MeasuredBeat, area_table, estimate_ef, measure_beats, pixel_counts
from harness.segment.report import Identity, check_libraries, make_report, save_report
from harness.segment.spool import MaskSpool
from harness.segment.stream import label_stream
from harness.segment.trained import Trained

MASKS, AREAS, CURVE, SUMMARY = "masks.nii.gz", "areas.csv", "areas.png", "summary.json"
Pairs = Iterator[tuple[Frame, Frame]]


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
        report: whether a DICOM report of a DICOM clip is written, with or without its patient (``report.make_report``).
        tick: called once per frame.
        made_from: what tells this result from another one of the same name; kept in the summary.

    Raises:
        DataError: the clip has no frames, cannot be decoded, its region does not fit, or it lacks what a report needs.
        BenchError: the model's output is not finite, or the disk is full.
    """
    source.check_chosen()
    if report != "none" and source.dicom:
        check_libraries()
    frames = ahead(source.frames())
    # The size of the overlay is known from the first frame only; it is put back with chain().
    first = next(frames, None)
    if first is None:
        raise DataError(f"The clip {source.path} holds no frame that can be decoded; restore or export it again.")
    pairs = label_stream(trained, chain([first], frames), region=source.region, device=device or torch.device("cpu"))
    with new_folder(folder):
        return _segment(source, trained, folder, pairs, first.shape, overlay, report, tick, made_from or {})


def _segment(
    source: FrameSource,
    trained: Trained,
    folder: Path,
    pairs: Pairs,
    size: tuple[int, ...],
    overlay: Kind,
    report: Identity,
    tick: Callable[[], None],
    made_from: dict[str, Any],
) -> Outcome:
    # Inside the target: a rename from another disk would be a copy and not atomic.
    with private_folder(".segment-", folder) as hidden:
        with MaskSpool(Path(hidden) / "labels.u8") as spool:
            video = Path(hidden) / f"overlay.{overlay}"
            with overlay_writer(video, overlay, size, source.frame_rate_hz) as write:
                counts = _take(pairs, spool, None if overlay == "none" else write, source.region, tick)
            # Memory-mapped: two frames of a beat are read for EF, the rest goes straight to the NIfTI file.
            masks = spool.masks()
        beats = _beats(counts, masks, trained, source)
        estimates = estimate_ef(beats, metric=source.spacing_mm is not None)
        # Before anything of an earlier result goes: the clip may lack what a report needs.
        made = make_report(source.path, estimates, run=trained.name, identity=report) if source.dicom else None
        # A summary of the earlier result beside masks of this one would be read as whole.
        (folder / SUMMARY).unlink(missing_ok=True)
        files = _write(folder, masks, counts, beats, trained, source)
        if video.is_file():
            os.replace(video, folder / video.name)
            files.append(folder / video.name)
        if made is not None:
            files.append(save_report(folder, made))
    outcome = Outcome(
        frames=len(counts),
        empty=int(np.count_nonzero(counts[:, LABELS["lv"] - 1] == 0)),
        beats=beats,
        estimates=estimates,
        files=(*files, folder / SUMMARY),
    )
    outcome = replace(outcome, notes=notes_of(source, trained, outcome))
    summary = {**summary_json(outcome, source, trained), "made_from": made_from}
    # Last, and read first: a folder with a summary is whole.
    write_json(folder / SUMMARY, summary)
    return replace(outcome, summary=summary)


def _take(
    pairs: Pairs, spool: MaskSpool, write: Write | None, region: Region | None, tick: Callable[[], None]
) -> NDArray[np.int64]:
    """Pull every (frame, labels) through spool and overlay; returns pixels per structure of ``LABELS`` [T, 3]."""
    counts = []
    for frame, labels in pairs:
        spool.append(labels)
        # Three numbers per frame are kept; the label maps themselves lie on disk.
        counts.append(pixel_counts(labels))
        if write is not None:
            # Names and dates are burned into the screen beside the image: what lies outside the region stays there.
            write(draw_overlay(frame if region is None else region.alone(frame), labels))
        tick()
    return np.stack(counts)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make the folder of a result; where the work inside the context fails, folders that are new and empty go again.

    Raises:
        BenchError: a file is in the way, or nothing may be written there.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another with --out."
        ) from error
    try:
        yield
    except BaseException:
        # From the innermost outwards; a folder that holds something stays.
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise


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
