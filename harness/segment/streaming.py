"""The first half of a clip: its frames through the model, label maps and overlay to disk, numbers to memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.media.frames import FrameSource, Region
from harness.errors import BenchError, DataError
from harness.leftovers import private_folder
from harness.segment.ahead import ahead
from harness.segment.overlay import Kind, Write, draw_overlay, overlay_writer
from harness.segment.readout import pixel_counts
from harness.segment.spool import MaskSpool
from harness.segment.stream import Segmented, label_stream
from harness.segment.trained import Trained
from harness.segment.trust import Observer, asked_again


@dataclass(frozen=True, kw_only=True, slots=True)
class Streamed:
    """A clip whose frames have all been segmented; its files lie in a hidden folder until ``held`` is closed.

    Attributes:
        source, trained, folder: the clip, the model, and where the result goes.
        counts: pixels per structure of ``LABELS`` [T, 3].
        masks: label ids [T, H, W], memory-mapped.
        video: the overlay, where one was asked for.
        observer: what was kept for the measures of trust.
        asked: those measures that need the model (``trust.asked_again``).
        held: the hidden folder and, where the rest fails, the removal of new empty folders.
    """

    source: FrameSource
    trained: Trained
    folder: Path
    counts: NDArray[np.int64]
    masks: NDArray[np.uint8]
    video: Path
    observer: Observer
    asked: Mapping[str, float]
    held: ExitStack


def stream_clip(
    source: FrameSource,
    trained: Trained,
    folder: Path,
    *,
    overlay: Kind,
    device: torch.device,
    tick: Callable[[], None] = lambda: None,
) -> Streamed:
    """Segment every frame of a clip. Decoding, the model and the writing of label maps and overlay each have a thread.

    Raises:
        DataError: the clip has no frames, cannot be decoded, or its region does not fit.
        BenchError: the model's output is not finite, or the disk is full.
    """
    frames = ahead(source.frames())
    # The size of the overlay is known from the first frame only; it is put back with chain().
    first = next(frames, None)
    if first is None:
        raise DataError(f"The clip {source.path} holds no frame that can be decoded; restore or export it again.")
    # Three threads: while a frame is at the model, the next is decoded and the last one written.
    segmented = ahead(label_stream(trained, chain([first], frames), region=source.region, device=device), depth=4)
    area = source.region or Region(x=0, y=0, width=first.shape[1], height=first.shape[0])
    observer = Observer(area)
    with ExitStack() as held:
        held.enter_context(new_folder(folder))
        # Inside the target: a rename from another disk would be a copy and not atomic.
        hidden = Path(held.enter_context(private_folder(".segment-", folder)))
        video = hidden / f"overlay.{overlay}"
        with (
            MaskSpool(hidden / "labels.u8") as spool,
            overlay_writer(video, overlay, first.shape, source.frame_rate_hz) as write,
        ):
            counts = _take(segmented, spool, None if overlay == "none" else write, observer, source.region, tick)
            # Memory-mapped: two frames of a beat are read for EF, the rest goes straight to the NIfTI file.
            masks = spool.masks()
        return Streamed(
            source=source,
            trained=trained,
            folder=folder,
            counts=counts,
            masks=masks,
            video=video,
            observer=observer,
            asked=asked_again(trained, observer, device),
            held=held.pop_all(),
        )


def _take(
    stream: Iterator[Segmented],
    spool: MaskSpool,
    write: Write | None,
    observer: Observer,
    region: Region | None,
    tick: Callable[[], None],
) -> NDArray[np.int64]:
    """Pull every frame through spool, overlay and observer; returns pixels per structure of ``LABELS`` [T, 3]."""
    counts = []
    for each in stream:
        frame, labels = each.frame, each.labels
        spool.append(labels)
        observer.take(labels, each.picture)
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
