"""Many clips in one process: a failure is a row and the rest goes on; what is done is not done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from harness.data.media.dicom_series import open_series
from harness.data.media.frames import FrameSource, Region
from harness.data.media.source import open_source, with_stated
from harness.errors import DiskFullError, explained
from harness.files import write_text
from harness.leftovers import remove_half_written
from harness.segment.apply import CPU, SUMMARY, check_clip, finish_clip
from harness.segment.existing import Existing, kept, made_from
from harness.segment.listing import ListedClip
from harness.segment.overlay import Kind
from harness.segment.report import Identity
from harness.segment.streaming import stream_clip
from harness.segment.table import Done, summary_table
from harness.segment.trained import Trained
from harness.spreadsheets import to_csv

TABLE = "summary.csv"
_WRITE_EVERY = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How every clip is read and what is written of it; see ``with_stated`` and ``segment``."""

    region: Region | None = None
    picture: int | None = None
    whole_frame: bool = False
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    max_frames: int | None = None
    overlay: Kind = "avi"
    report: Identity = "none"
    existing: Existing = "refuse"

    def check(self) -> None:
        """Raise ``ConfigError`` where these settings can fit no clip."""
        # Against an empty clip: what the user typed is refused before the first of a thousand files is opened.
        nothing = FrameSource(path=Path("clip"), frames=lambda: iter(()))
        stated = {name: getattr(self, name) for name in ("spacing_mm", "frame_rate_hz", "max_frames")}
        with_stated(nothing, **stated)

    def count(self, clip: ListedClip) -> int | None:
        """Number of frames to segment; None where the file does not say."""
        count = self.source(clip).count
        return count if self.max_frames is None else min(self.max_frames, count or self.max_frames)

    def source(self, clip: ListedClip) -> FrameSource:
        """The clip, opened, with what the list and these settings state; the list knows the clip better."""
        source = with_stated(
            open_listed(clip),
            region=self.region,
            picture=self.picture,
            whole_frame=self.whole_frame,
            spacing_mm=clip.spacing_mm or self.spacing_mm,
            frame_rate_hz=clip.frame_rate_hz or self.frame_rate_hz,
            max_frames=self.max_frames,
        )
        # The list first: what a person states about a clip corrects what its file says.
        return replace(source, view=clip.view or source.view)

    def origin(self, clip: ListedClip, trained: Trained) -> dict[str, Any]:
        """What the result of this clip depends on."""
        stated = {
            "region": None if self.region is None else str(self.region),
            "picture": self.picture,
            "whole_frame": self.whole_frame,
            "spacing_mm": clip.spacing_mm or self.spacing_mm,
            "frame_rate_hz": clip.frame_rate_hz or self.frame_rate_hz,
            "max_frames": self.max_frames,
            "overlay": self.overlay,
            "report": self.report,
            "view": clip.view,
        }
        # Left out where it is the usual one, so that results of earlier versions are recognised.
        engine = {} if trained.engine == "eager" else {"engine": trained.engine}
        return made_from(clip.files or (clip.path,), trained.name, stated | engine)


def open_listed(clip: ListedClip) -> FrameSource:
    """The clip of a list, opened; see ``open_source`` and ``open_series`` for the errors."""
    return open_series(clip.path.parent, clip.files) if clip.files else open_source(clip.path)


def segment_all(
    clips: Sequence[ListedClip],
    trained: Trained,
    out: Path,
    settings: Settings,
    *,
    device: torch.device | None = None,
    advance: Callable[[str], None] = lambda text: None,
) -> list[Done]:
    """Segment every clip into ``out / clip.name`` and write ``summary.csv``; returns what came of each, in order.

    A clip that fails leaves nothing behind but its row. The table is written as the work goes on, so that a stopped command
    has one too.

    Args:
        advance: called with a word on each clip when it is done.
    """
    done: list[Done] = []
    waiting: tuple[ListedClip, Future[dict[str, Any]]] | None = None

    def settle() -> None:
        if waiting is not None:
            clip, written = waiting
            done.append(_told(clip, out / clip.name, lambda: (True, written.result())))
            advance(clip.name)
            # Not after each clip: the whole table is written anew every time.
            if len(done) % _WRITE_EVERY == 0:
                _write(out, done)

    # Files are written by a thread while the next clip is at the model; a single clip waits there, so that memory stays flat.
    with ThreadPoolExecutor(1, thread_name_prefix="writing") as writer:
        try:
            for clip in clips:
                begun = _begun(clip, trained, out / clip.name, settings, device)
                settle()
                waiting = None
                if isinstance(begun, Done):
                    done.append(begun)
                    advance(clip.name)
                else:
                    waiting = clip, writer.submit(begun)
            settle()
        finally:
            if done:
                _write(out, done)
    return done


def _begun(
    clip: ListedClip, trained: Trained, folder: Path, settings: Settings, device: torch.device | None
) -> Done | Callable[[], dict[str, Any]]:
    """What is left to do of a clip whose frames have been segmented, or what came of it where nothing is."""
    left: list[Callable[[], dict[str, Any]]] = []

    def begin() -> tuple[bool, dict[str, Any]]:
        kept_or_left = _streamed(clip, trained, folder, settings, device)
        if callable(kept_or_left):
            left.append(kept_or_left)
            return True, {}
        return False, kept_or_left

    told = _told(clip, folder, begin)
    return left[0] if left else told


def _told(clip: ListedClip, folder: Path, work: Callable[[], tuple[bool, dict[str, Any]]]) -> Done:
    """What came of some work on a clip, which returns whether it was segmented now and its summary; a failure is told."""
    try:
        made, summary = work()
        study = open_listed(clip).study
    except Exception as error:
        told = explained(error)
        if isinstance(told, DiskFullError):
            # The next clip would only fill what is freed meanwhile, and fail as well.
            raise told from error
        # A decoder's own kind of error must not stop the other clips.
        reason = (str(error) or type(error).__name__).splitlines()[0]
        text = str(told or f"{clip.path} cannot be segmented ({type(error).__name__}: {reason}).")
        return Done(clip=clip, folder=folder, status="failed", error=text)
    return Done(clip=clip, folder=folder, study=study, status="done" if made else "kept", summary=summary)


def kept_or_segmented(
    clip: ListedClip,
    trained: Trained,
    folder: Path,
    settings: Settings,
    *,
    device: torch.device | None = None,
    tick: Callable[[], None] = lambda: None,
) -> tuple[bool, dict[str, Any]]:
    """Whether the clip was segmented now, and its summary, new or kept.

    Raises:
        DataError, BenchError: see ``open_source``, ``kept`` and ``segment``.
    """
    kept_or_left = _streamed(clip, trained, folder, settings, device, tick)
    return (True, kept_or_left()) if callable(kept_or_left) else (False, kept_or_left)


def _streamed(
    clip: ListedClip,
    trained: Trained,
    folder: Path,
    settings: Settings,
    device: torch.device | None,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Any] | Callable[[], dict[str, Any]]:
    """The summary of a result that is kept, or, its frames segmented, what writes the new one and returns its summary."""
    # Of an earlier process that was killed while it wrote this clip's result.
    remove_half_written(folder)
    source = settings.source(clip)
    origin = settings.origin(clip, trained)
    stored = kept(folder / SUMMARY, origin, settings.existing)
    if stored is not None:
        return stored
    check_clip(source, settings.report)
    streamed = stream_clip(source, trained, folder, overlay=settings.overlay, device=device or CPU, tick=tick)
    return lambda: finish_clip(streamed, report=settings.report, made_from=origin).summary


def _write(out: Path, done: Sequence[Done]) -> None:
    write_text(out / TABLE, to_csv(summary_table(done, out)))
