"""From a clip and a trained run to a folder of results, in one pass; memory does not grow with the clip."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.errors import DataError
from harness.files import write_json, write_text
from harness.segment.curve import plot_areas
from harness.segment.frames import Frame, FrameSource
from harness.segment.nifti import write_masks
from harness.segment.outcome import Outcome, notes_of, summary_json
from harness.segment.overlay import Kind, Write, draw_overlay, overlay_writer
from harness.segment.readout import Estimate, Phases, area_table, estimate_ef, find_phases, pixel_counts
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
    device: torch.device | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Outcome:
    """Segment a clip and write masks, area curve, overlay and summary to ``folder``.

    Label maps and overlay go to a hidden folder inside ``folder`` while frames come in; results move into place when
    the clip is done, so that a stopped run leaves earlier results as they were.

    Args:
        tick: called once per frame.

    Raises:
        DataError: the clip has no frames, cannot be decoded, or its region does not fit.
        BenchError: the model's output is not finite, or the disk is full.
    """
    frames = source.frames()
    # The size of the overlay is known from the first frame only; it is put back with chain().
    first = next(frames, None)
    if first is None:
        raise DataError(f"The clip {source.path} holds no frame that can be decoded; restore or export it again.")
    pairs = label_stream(trained, chain([first], frames), region=source.region, device=device or torch.device("cpu"))
    folder.mkdir(parents=True, exist_ok=True)
    # Inside the target: a rename from another disk would be a copy and not atomic.
    with tempfile.TemporaryDirectory(prefix=".segment-", dir=folder) as hidden:
        with MaskSpool(Path(hidden) / "labels.u8") as spool:
            video = Path(hidden) / f"overlay.{overlay}"
            with overlay_writer(video, overlay, first.shape, source.frame_rate_hz) as write:
                counts = _take(pairs, spool, None if overlay == "none" else write, tick)
            # Memory-mapped: two frames are read for EF, the rest goes straight to the NIfTI file.
            masks = spool.masks()
        phases, estimates = _beat(counts, masks, trained, source)
        files = _write(folder, masks, counts, phases, trained, source)
        if video.is_file():
            os.replace(video, folder / video.name)
            files.append(folder / video.name)
    outcome = Outcome(
        frames=len(counts),
        phases=phases,
        estimates=estimates,
        files=(*files, folder / SUMMARY),
        notes=notes_of(source, trained, len(counts), phases),
    )
    write_json(folder / SUMMARY, summary_json(outcome, source, trained))
    return outcome


def _take(pairs: Pairs, spool: MaskSpool, write: Write | None, tick: Callable[[], None]) -> NDArray[np.int64]:
    """Pull every (frame, labels) through spool and overlay; returns pixels per structure of ``LABELS`` [T, 3]."""
    counts = []
    for frame, labels in pairs:
        spool.append(labels)
        # Three numbers per frame are kept; the label maps themselves lie on disk.
        counts.append(pixel_counts(labels))
        if write is not None:
            write(draw_overlay(frame, labels))
        tick()
    return np.stack(counts)


def _beat(
    counts: NDArray[np.int64], masks: NDArray[np.uint8], trained: Trained, source: FrameSource
) -> tuple[Phases | None, tuple[Estimate, ...]]:
    """ED, ES and EF; nothing where the run segments no LV or the curve shows no beat."""
    lv = LABELS["lv"]
    phases = find_phases(counts[:, lv - 1].astype(np.float64)) if "lv" in trained.structures else None
    if phases is None:
        return None, ()
    return phases, estimate_ef(masks[phases.ed] == lv, masks[phases.es] == lv, source.spacing_mm)


def _write(
    folder: Path,
    masks: NDArray[np.uint8],
    counts: NDArray[np.int64],
    phases: Phases | None,
    trained: Trained,
    source: FrameSource,
) -> list[Path]:
    table = area_table(counts, trained.structures, source.spacing_mm, source.frame_rate_hz)
    write_masks(folder / MASKS, masks, source.spacing_mm)
    write_text(folder / AREAS, table.to_csv(index=False))
    plot_areas(table, phases, folder / CURVE)
    return [folder / MASKS, folder / AREAS, folder / CURVE]
