"""Many clips in one process: a failure is a row and the rest goes on; what is done is not done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from harness.data.media.frames import FrameSource, Region
from harness.data.media.source import open_source, with_stated
from harness.errors import BenchError
from harness.files import write_text
from harness.segment.apply import SUMMARY, segment
from harness.segment.existing import Existing, kept, made_from
from harness.segment.listing import ListedClip
from harness.segment.overlay import Kind
from harness.segment.report import Identity
from harness.segment.table import Done, summary_table
from harness.segment.trained import Trained

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
            open_source(clip.path),
            region=self.region,
            picture=self.picture,
            whole_frame=self.whole_frame,
            spacing_mm=clip.spacing_mm or self.spacing_mm,
            frame_rate_hz=clip.frame_rate_hz or self.frame_rate_hz,
            max_frames=self.max_frames,
        )
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
        return made_from(clip.path, trained.name, stated | engine)


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
    try:
        for clip in clips:
            done.append(segment_listed(clip, trained, out / clip.name, settings, device=device))
            advance(clip.name)
            if len(done) % _WRITE_EVERY == 0:
                _write(out, done)
    finally:
        if done:
            _write(out, done)
    return done


def segment_listed(
    clip: ListedClip,
    trained: Trained,
    folder: Path,
    settings: Settings,
    *,
    device: torch.device | None = None,
) -> Done:
    """Segment one clip, or keep its result; a failure is told in the answer."""
    try:
        made, summary = kept_or_segmented(clip, trained, folder, settings, device=device)
        study = open_source(clip.path).study
    except BenchError as error:
        return Done(clip=clip, folder=folder, status="failed", error=str(error))
    except Exception as error:
        # A decoder's own kind of error must not stop the other clips.
        reason = (str(error) or type(error).__name__).splitlines()[0]
        text = f"{clip.path} cannot be segmented ({type(error).__name__}: {reason})."
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
    source = settings.source(clip)
    origin = settings.origin(clip, trained)
    stored = kept(folder / SUMMARY, origin, settings.existing)
    if stored is not None:
        return False, stored
    outcome = segment(
        source,
        trained,
        folder,
        overlay=settings.overlay,
        report=settings.report,
        device=device,
        tick=tick,
        made_from=origin,
    )
    return True, outcome.summary


def _write(out: Path, done: Sequence[Done]) -> None:
    write_text(out / TABLE, summary_table(done, out).to_csv(index=False))
