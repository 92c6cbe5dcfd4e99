"""What is computed for one clip once its masks are there; numpy only, so that worker processes start quickly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.beats import find_beats
from harness.evaluation.clinical import (
    ProfilePair,
    ejection_fraction,
    profile_pair,
    simpson_single_ml,
)
from harness.evaluation.percase import Pair, score
from harness.evaluation.surface import Spacing
from harness.evaluation.temporal import (
    area_curve,
    area_error,
    area_jitter_percent,
    flicker,
    frame_to_frame_dice,
    mean_or_nan,
    phase_timing_errors,
)

Source = Literal["predicted", "reference"]
Row = dict[str, Any]
ENDS = ("ED", "ES")
BETWEEN = ("dice", "hd95_", "asd_", "nsd_", "empty")
"""Beginnings of the metrics that rows of the frames between ED and ES hold: a sequence has a dozen, and IoU, precision, recall
and HD say nothing of them that these do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseWork:
    """One predicted clip, ready to be measured.

    Attributes:
        key: columns that are the same in every row of this clip.
        classes: structure names; class id k+1 is the k-th.
        frames: [n], indices of the frames below in the source clip, ascending.
        phases: [n], ``"ED"``, ``"ES"``, ``"interp"`` (mask interpolated by the owners) or ``""`` (no mask).
        scored: [n], whether the frame enters the segmentation metrics.
        predicted, reference: uint8 [n, H, W] class ids.
        spacing_mm: (row, column) of these masks, or None.
        ed, es: frame indices in the source clip, or None.
        functions: per-case metric functions.
        temporal: whether the frames form a sequence to be judged as such.
        frame_rate_hz: of the source clip, or None.
    """

    key: Row
    classes: tuple[str, ...]
    frames: NDArray[np.int64]
    phases: tuple[str, ...]
    scored: NDArray[np.bool_]
    predicted: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    spacing_mm: Spacing | None
    ed: int | None
    es: int | None
    functions: tuple[Any, ...]
    temporal: bool = False
    frame_rate_hz: float | None = None


@dataclass(kw_only=True, slots=True)
class CaseOutcome:
    """Rows of one clip and the LV profiles that a patient's volumes are made from.

    Attributes:
        profiles: at the stated ED and ES (oracle phases), by source and phase.
        beats: (ED, ES) of every beat of the predicted area curve; empty where the frames are no sequence.
    """

    rows: list[Row] = field(default_factory=list)
    profiles: dict[tuple[Source, str], ProfilePair] = field(default_factory=dict)
    beats: tuple[tuple[ProfilePair, ProfilePair], ...] = ()


def measure(work: CaseWork) -> CaseOutcome:
    """Segmentation rows, LV profiles at ED and ES and, where asked, temporal rows of one clip."""
    outcome = CaseOutcome(rows=segmentation_rows(work))
    if work.temporal:
        outcome.rows += temporal_rows(work)
    if "lv" in work.classes:
        outcome.profiles = ventricle_profiles(work)
        if work.temporal:
            outcome.beats = predicted_beats(work)
    return outcome


def segmentation_rows(work: CaseWork) -> list[Row]:
    """Every metric of every structure on ED and ES, those of ``BETWEEN`` on the frames between."""
    rows: list[Row] = []
    named = any(phase in ENDS for phase in work.phases)
    for position in np.flatnonzero(work.scored):
        for class_id, name in enumerate(work.classes, start=1):
            pair = Pair(
                key={
                    **work.key,
                    "frame": int(work.frames[position]),
                    "phase": work.phases[position],
                    "structure": name,
                },
                prediction=work.predicted[position] == class_id,
                reference=work.reference[position] == class_id,
                spacing_mm=work.spacing_mm,
            )
            found = score(pair, work.functions)
            between = named and work.phases[position] not in ENDS
            rows += [row for row in found if row["metric"].startswith(BETWEEN)] if between else found
    return rows


def ventricle_profiles(work: CaseWork) -> dict[tuple[Source, str], ProfilePair]:
    """The predicted and the reference LV at the stated ED and ES, where these frames are in the clip."""
    label = 1 + work.classes.index("lv")
    # Without a spacing EF is still a ratio; who writes the rows leaves the volumes out.
    spacing = work.spacing_mm or (1.0, 1.0)
    profiles: dict[tuple[Source, str], ProfilePair] = {}
    for phase, frame in (("ED", work.ed), ("ES", work.es)):
        if frame is None or frame not in work.frames:
            continue
        position = int(np.flatnonzero(work.frames == frame)[0])
        profiles["predicted", phase] = profile_pair(work.predicted[position] == label, spacing)
        profiles["reference", phase] = profile_pair(work.reference[position] == label, spacing)
    return profiles


def predicted_beats(work: CaseWork) -> tuple[tuple[ProfilePair, ProfilePair], ...]:
    """The predicted LV at ED and ES of every beat that its own area curve shows, as ``echobench segment`` finds them."""
    return _beats_in(work.predicted == 1 + work.classes.index("lv"), work)


def _beats_in(masks: NDArray[np.bool_], work: CaseWork) -> tuple[tuple[ProfilePair, ProfilePair], ...]:
    spacing = work.spacing_mm or (1.0, 1.0)
    beats = find_beats(area_curve(masks), work.frame_rate_hz)
    return tuple((profile_pair(masks[beat.ed], spacing), profile_pair(masks[beat.es], spacing)) for beat in beats)


def temporal_rows(work: CaseWork) -> list[Row]:
    """Flicker, frame-to-frame Dice and jitter of prediction and reference, error of the area curve, timing of ED and ES, EF of the curve."""
    rows: list[Row] = []
    # A gap in the reference would count as the structure vanishing for a frame.
    with_mask = np.array([phase != "" for phase in work.phases])
    drawn = np.array([phase not in ("", "interp") for phase in work.phases])
    spacing = work.spacing_mm or (1.0, 1.0)
    for class_id, name in enumerate(work.classes, start=1):
        predicted = work.predicted == class_id
        values = _sequence_values(predicted, "predicted", spacing)
        if with_mask.all():
            values |= _sequence_values(work.reference == class_id, "reference", spacing)
        areas = area_curve(predicted, spacing)
        if drawn.all():  # against interpolated masks it would measure the owners' interpolation
            values["area_error"] = area_error(areas, area_curve(work.reference == class_id, spacing))
        if name == "lv":
            values |= _curve_ef(work, class_id, reference=bool(drawn.all()))
        if name == "lv" and work.ed is not None and work.es is not None:
            values |= _timing_values(work, areas)
        key = {**work.key, "frame": -1, "phase": "", "structure": name}
        rows += [{**key, "metric": metric, "value": value} for metric, value in values.items()]
    return rows


def _sequence_values(masks: NDArray[np.bool_], source: Source, spacing: Spacing) -> dict[str, float]:
    return {
        f"flicker_{source}": flicker(masks),
        f"frame_to_frame_dice_{source}": mean_or_nan(frame_to_frame_dice(masks)),
        f"area_jitter_percent_{source}": area_jitter_percent(area_curve(masks, spacing)),
    }


def _curve_ef(work: CaseWork, label: int, *, reference: bool) -> dict[str, float]:
    """EF of one view by single-plane Simpson's rule at the phases of each curve itself, mean over its beats."""
    values = {}
    sources: dict[Source, NDArray[np.uint8]] = {"predicted": work.predicted}
    if reference:
        sources["reference"] = work.reference
    for source, labels in sources.items():
        beats = _beats_in(labels == label, work)
        fractions = [ejection_fraction(*(simpson_single_ml(pair.anatomical) for pair in beat)) for beat in beats]
        values[f"curve_ef_{str(work.key['view']).lower()}_{source}"] = mean_or_nan(fractions)
    return values


def _timing_values(work: CaseWork, areas: NDArray[np.float64]) -> dict[str, float]:
    # The largest of only zeros is frame 0: a timing error of nothing at all.
    if not areas.any():
        return {"ed_timing_error_frames": float("nan"), "es_timing_error_frames": float("nan")}
    ed, es = _timing_errors(work, areas)
    values = {"ed_timing_error_frames": float(ed), "es_timing_error_frames": float(es)}
    if work.frame_rate_hz:
        # In ms as well: datasets differ in frame rate.
        values |= {
            "ed_timing_error_ms": 1000.0 * ed / work.frame_rate_hz,
            "es_timing_error_ms": 1000.0 * es / work.frame_rate_hz,
        }
    return values


def _timing_errors(work: CaseWork, areas: NDArray[np.float64]) -> tuple[int, int]:
    """Frames by which the largest and smallest area within a systole's length of the stated ED and ES miss them."""
    assert work.ed is not None
    assert work.es is not None
    # The area of a whole cycle is largest at both its ends, and of several beats any may be the largest: the one at hand is
    # meant. Of a clip from ED to ES this is all of it.
    reach = abs(work.es - work.ed)
    near_ed, near_es = (np.abs(work.frames - end) <= reach for end in (work.ed, work.es))
    ed, _ = phase_timing_errors(areas[near_ed], work.frames[near_ed], work.ed, work.es)
    return ed, phase_timing_errors(areas[near_es], work.frames[near_es], work.ed, work.es)[1]
