"""What came of a clip, with the sentences that keep a reader from trusting it too far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.media.frames import FrameSource
from harness.evaluation.clinical import LongAxisProfile
from harness.evaluation.long_axis import LongAxis
from harness.segment.readout import Estimate, MeasuredBeat
from harness.segment.trained import Trained
from harness.segment.trust import raised, sentences


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result of one clip.

    Attributes:
        frames: number of frames segmented.
        empty: how many of them show no LV.
        beats: in time; empty where the area curve shows no beat or the run segments no LV.
        estimates: EF by each method, the headline first; empty without beats.
        trust: measures of ``trust.FLAGS``, NaN where one cannot be taken.
        files: written, in the order of making.
        notes: sentences on what was assumed and what is missing.
        summary: what ``summary.json`` holds.
    """

    frames: int
    empty: int = 0
    beats: tuple[MeasuredBeat, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    trust: Mapping[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)


def notes_of(source: FrameSource, trained: Trained, outcome: Outcome) -> tuple[str, ...]:
    """What a reader has to know of this result, one sentence each."""
    # First, because everything after it is read as if a physician had measured it.
    notes = [f"Research software, not for diagnosis: the model was trained on {trained.dataset}."]
    if trained.mark:
        notes.append(f"Training data: {trained.mark}.")
    if source.region is not None:
        area = source.region
        notes.append(
            f"Only the rectangle x={area.x} y={area.y} w={area.width} h={area.height} was segmented; the overlay shows nothing else."
        )
    else:
        notes.append("The whole frame was segmented: text that is burned into it is in the overlay.")
    notes += source.sentences
    # A file that was cut off may decode without an error, up to where it ends.
    if source.count is not None and outcome.frames < source.count:
        notes.append(f"{outcome.frames} of the {source.count} frames that the file announces were segmented.")
    notes += _unknowns(source)
    notes += _beat_notes(trained, outcome)
    notes += sentences(outcome.trust)
    return tuple(notes)


def _unknowns(source: FrameSource) -> list[str]:
    notes = []
    if source.spacing_mm is None:
        notes.append("The pixel size is unknown: areas are in pixels, volumes are left out, pixels count as square.")
    if source.frame_rate_hz is None:
        notes.append("The frame rate is unknown: times are left out.")
    return notes


def _beat_notes(trained: Trained, outcome: Outcome) -> list[str]:
    if "lv" not in trained.structures:
        return ["The run does not segment the left ventricle: there is no EF."]
    if not outcome.beats:
        return ["The LV area shows no beat (fewer than two frames with an LV, or no change): there is no EF."]
    notes = [
        "EF is an estimate from a single view; ED and ES are the frames of the largest and smallest LV area of each of "
        f"{len(outcome.beats)} beat{'s' if len(outcome.beats) > 1 else ''}."
    ]
    if outcome.empty:
        notes.append(f"{outcome.empty} frames show no LV and were left out of the search for ES.")
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
        "view": source.view,
        "frames_without_lv": outcome.empty,
        "beats": [_beat_json(beat) for beat in outcome.beats],
        "single_view_estimates": [
            {key: _or_null(value) for key, value in asdict(estimate).items()} for estimate in outcome.estimates
        ],
        "flags": list(raised(outcome.trust)),
        # Six digits: the limits have two, and a thread's order of sums must not make another file.
        "trust": {name: _or_null(float(f"{value:.6g}")) for name, value in outcome.trust.items()},
        "notes": list(outcome.notes),
    }


def _beat_json(beat: MeasuredBeat) -> dict[str, Any]:
    """Frames and profiles of a beat: what a biplane volume needs of this view."""
    # Kept with the numbers, so that a patient's second view, segmented on another day, still makes a biplane EF.
    profiles = {"end_diastole": beat.end_diastole, "end_systole": beat.end_systole}
    return {"ed": beat.ed, "es": beat.es} | {
        name: profile
        and {
            "base_mm": list(profile.axis.base),
            "apex_mm": list(profile.axis.apex),
            "widths_mm": [round(float(width), 4) for width in profile.widths_mm],
            "area_mm2": profile.area_mm2,
        }
        for name, profile in profiles.items()
    }


def beats_of(summary: dict[str, Any]) -> tuple[MeasuredBeat, ...]:
    """The beats of a summary that ``summary_json`` made."""
    return tuple(
        MeasuredBeat(
            ed=int(beat["ed"]),
            es=int(beat["es"]),
            end_diastole=_profile_of(beat["end_diastole"]),
            end_systole=_profile_of(beat["end_systole"]),
        )
        for beat in summary["beats"]
    )


def _profile_of(stated: dict[str, Any] | None) -> LongAxisProfile | None:
    if stated is None:
        return None
    base, apex = ((float(place[0]), float(place[1])) for place in (stated["base_mm"], stated["apex_mm"]))
    return LongAxisProfile(
        axis=LongAxis(base=base, apex=apex),
        widths_mm=np.asarray(stated["widths_mm"], dtype=np.float64),
        area_mm2=float(stated["area_mm2"]),
    )


def _or_null(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_or_null(item) for item in value]
    # JSON has no NaN; other readers refuse a file with it.
    return None if isinstance(value, float) and math.isnan(value) else value
