"""What came of a clip, with the sentences that keep a reader from trusting it too far."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.segment.frames import FrameSource
from harness.segment.readout import Estimate, Phases
from harness.segment.trained import Trained


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result of one clip.

    Attributes:
        frames: number of frames segmented.
        phases: None where the area curve shows no beat or the run segments no LV.
        estimates: EF by each method, the headline first; empty without phases.
        files: written, in the order of making.
        notes: sentences on what was assumed and what is missing.
    """

    frames: int
    phases: Phases | None
    estimates: tuple[Estimate, ...]
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def notes_of(source: FrameSource, trained: Trained, frames: int, phases: Phases | None) -> tuple[str, ...]:
    """What a reader has to know of this result, one sentence each."""
    # First, because everything after it is read as if a physician had measured it.
    notes = [f"Research software, not for diagnosis: the model was trained on {trained.dataset}."]
    if trained.mark:
        notes.append(f"Training data: {trained.mark}.")
    if source.region is not None:
        area = source.region
        notes.append(f"Only the rectangle x={area.x} y={area.y} w={area.width} h={area.height} was segmented.")
    if source.count is not None and frames < source.count:
        notes.append(f"{frames} of the {source.count} frames that the file announces were segmented.")
    notes += _unknowns(source)
    notes += _beat_notes(trained, phases)
    return tuple(notes)


def _unknowns(source: FrameSource) -> list[str]:
    notes = []
    if source.spacing_mm is None:
        notes.append("The pixel size is unknown: areas are in pixels, volumes are left out, pixels count as square.")
    if source.frame_rate_hz is None:
        notes.append("The frame rate is unknown: times are left out.")
    return notes


def _beat_notes(trained: Trained, phases: Phases | None) -> list[str]:
    if "lv" not in trained.structures:
        return ["The run does not segment the left ventricle: there is no EF."]
    if phases is None:
        return ["The LV area shows no beat (fewer than two frames with an LV, or no change): there is no EF."]
    notes = ["EF is an estimate from a single view; ED and ES are the frames of the largest and smallest LV area."]
    if phases.empty:
        notes.append(f"{phases.empty} frames show no LV and were left out of the search for ES.")
    return notes


def summary_json(outcome: Outcome, source: FrameSource, trained: Trained) -> dict[str, Any]:
    """The outcome and its origin as plain values; what is missing is null."""
    return {
        "run": trained.name,
        "engine": trained.engine,
        "clip": source.path.name,
        "frames": outcome.frames,
        "region": None if source.region is None else asdict(source.region),
        "spacing_mm": source.spacing_mm,
        "frame_rate_hz": source.frame_rate_hz,
        "structures": list(trained.structures),
        "ed_frame": None if outcome.phases is None else outcome.phases.ed,
        "es_frame": None if outcome.phases is None else outcome.phases.es,
        "single_view_estimates": [
            {key: _or_null(value) for key, value in asdict(estimate).items()} for estimate in outcome.estimates
        ],
        "notes": list(outcome.notes),
    }


def _or_null(value: Any) -> Any:
    # JSON has no NaN; other readers refuse a file with it.
    return None if isinstance(value, float) and math.isnan(value) else value
