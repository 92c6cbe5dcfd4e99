"""``summary.csv``: a row for each clip and, where patients are known, a row for each patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.segment.listing import ListedClip
from harness.segment.outcome import beats_of
from harness.segment.readout import Estimate, MeasuredBeat, biplane_ef, estimate_ef
from harness.segment.trust import FLAGS

COLUMNS = (
    "row",
    "patient",
    "view",
    "clip",
    "status",
    "error",
    "frames",
    "frames_without_lv",
    "frame_rate_hz",
    "spacing_row_mm",
    "spacing_column_mm",
    "method",
    "beats",
    "edv_ml",
    "esv_ml",
    "ef_percent",
    "ef_sd",
    "ef_by_beat",
    "flags",
    *(f"trust_{name}" for name in FLAGS),
    "folder",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What came of one clip; ``summary`` is that of its folder, None where it failed."""

    clip: ListedClip
    folder: Path
    status: Literal["done", "kept", "failed"]
    study: str | None = None
    summary: dict[str, Any] | None = None
    error: str = ""


def summary_table(done: Sequence[Done], out: Path) -> pd.DataFrame:
    """Rows of clips in order, then of patients; what is unknown is empty.

    A patient is what the list says, else the clips of one DICOM study, which are called ``study 1``, ``study 2``, ... : no
    identifier of the file is written. Clips of no known patient have no second row.
    """
    patients = _patients(done)
    rows = [_clip_row(each, name, out) for each, name in zip(done, patients, strict=True)]
    for name in dict.fromkeys(name for name in patients if name):
        rows.append(_patient_row(name, [each for each, own in zip(done, patients, strict=True) if own == name]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _patients(done: Sequence[Done]) -> list[str]:
    studies: dict[str, str] = {}
    names = []
    for each in done:
        if each.clip.patient:
            names.append(each.clip.patient)
        elif each.study:
            # A number and not the UID: the table may leave the house, and a UID leads back to the patient.
            names.append(studies.setdefault(each.study, f"study {len(studies) + 1}"))
        else:
            names.append("")
    return names


def _clip_row(each: Done, patient: str, out: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "row": "clip",
        "patient": patient,
        "clip": each.clip.name,
        "view": each.clip.view,
        "status": each.status,
        "error": each.error,
    }
    if each.summary is None:
        return row
    spacing = each.summary["spacing_mm"] or (None, None)
    row |= {
        "view": each.summary["view"],
        "frames": each.summary["frames"],
        "frames_without_lv": each.summary["frames_without_lv"],
        "frame_rate_hz": each.summary["frame_rate_hz"],
        "spacing_row_mm": spacing[0],
        "spacing_column_mm": spacing[1],
        # Results of before 28 November 2026 have neither.
        "flags": " ".join(each.summary.get("flags", ())),
        **{f"trust_{name}": value for name, value in each.summary.get("trust", {}).items()},
        "folder": each.folder.relative_to(out).as_posix(),
    }
    # From the stored beats, so that kept results and new ones go the same way.
    estimates = estimate_ef(beats_of(each.summary), metric=each.summary["spacing_mm"] is not None)
    return row | (_estimate_cells(estimates[0], len(each.summary["beats"])) if estimates else {"beats": 0})


def _patient_row(name: str, clips: Sequence[Done]) -> dict[str, Any]:
    """Biplane where both views have beats and a pixel size; else the single plane of 4CH, else of any view."""
    flags = {flag for each in clips if each.summary is not None for flag in each.summary.get("flags", ())}
    row = {"row": "patient", "patient": name, "status": "done", "flags": " ".join(f for f in FLAGS if f in flags)}
    views = {view: _beats_in(clips, view) for view in ("2CH", "4CH")}
    if all(views.values()):
        return row | _estimate_cells(biplane_ef(views["2CH"], views["4CH"]), sum(map(len, views.values())))
    there = [each for each in clips if each.summary is not None and each.summary["beats"]]
    # Of one view where there is one: the single planes of two views are not measures of the same volume.
    chosen = [each for each in there if each.summary and each.summary["view"] == "4CH"] or there
    if not chosen:
        return row | {"status": "failed", "error": "No clip of this patient has an EF.", "beats": 0}
    beats = [beat for each in chosen for beat in beats_of(each.summary or {})]
    metric = all(each.summary and each.summary["spacing_mm"] for each in chosen)
    view = {each.summary["view"] for each in chosen if each.summary}
    return (
        row
        | {"view": view.pop() if len(view) == 1 else None}
        | _estimate_cells(estimate_ef(beats, metric=metric)[0], len(beats))
    )


def _beats_in(clips: Sequence[Done], view: str) -> list[MeasuredBeat]:
    """The beats of all clips of a view whose lengths are in mm."""
    return [
        beat
        for each in clips
        if each.summary is not None and each.summary["view"] == view and each.summary["spacing_mm"]
        for beat in beats_of(each.summary)
    ]


def _estimate_cells(estimate: Estimate, beats: int) -> dict[str, Any]:
    by_beat = " ".join("-" if math.isnan(value) else f"{value:.1f}" for value in estimate.by_beat)
    values = {name: getattr(estimate, name) for name in ("edv_ml", "esv_ml", "ef_percent", "ef_sd")}
    # Hundredths: more digits would suggest a precision that a mask of pixels does not have.
    rounded = {name: float(np.round(value, 2)) for name, value in values.items()}
    return {"method": estimate.method, "beats": beats, "ef_by_beat": by_beat, **rounded}
