"""Rows of volumes and ejection fraction, per view and per patient, from LV profiles."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.evaluation.casework import CaseOutcome, Row, Source
from harness.evaluation.clinical import (
    LongAxisProfile,
    ProfilePair,
    area_length_ml,
    biplane_camus_ml,
    ejection_fraction,
    simpson_biplane_ml,
    simpson_single_ml,
)
from harness.evaluation.temporal import mean_or_nan

SINGLE_METHODS: dict[str, Callable[[LongAxisProfile | None], float]] = {
    "single": simpson_single_ml,
    "area_length": area_length_ml,
}
_SOURCES: tuple[Source, ...] = ("predicted", "reference")
BeatPair = tuple[ProfilePair, ProfilePair]
Volumes = tuple[float, float]


@dataclass(kw_only=True, slots=True)
class Patient:
    """What is known of one patient: the outcome of each view, the stated EF, whether lengths are in mm."""

    key: dict[str, Any]
    views: dict[str, CaseOutcome] = field(default_factory=dict)
    stated_ef: float | None = None
    metric_units: bool = True


def patient_rows(patient: Patient) -> list[Row]:
    """All clinical rows of one patient: per view, biplane where 2CH and 4CH are there, the stated EF.

    Names are ``ef_<method>_<source>`` in percent and ``edv_ml_<method>_<source>``, ``esv_ml_…`` in mL, where
    the method is ``biplane``, ``biplane_camus``, ``single_4ch`` or ``area_length_4ch`` (any view). The source is
    ``predicted`` or ``reference``, both at the stated ED and ES (oracle phases), or ``auto``: predicted, at the phases of
    the predicted area curve, the mean over its beats. Volumes need a spacing; the EF of one view does not. A volume whose
    mask is empty is NaN, and so is its EF. ``length_mm_<view>_<phase>_<source>`` (``length_px_…`` without a spacing) is the
    long axis.
    """
    rows: list[Row] = []
    for view, outcome in patient.views.items():
        for name, beats in _measured(outcome):
            for method, volume in SINGLE_METHODS.items():
                volumes = [_single(beat, volume) for beat in beats]
                rows += _ef_and_volumes(patient, view, f"{method}_{view.lower()}_{name}", volumes)
            if name != "auto":
                rows += _length_rows(patient, view, name, beats[0])
    # Biplane discs combine lengths of two pictures, which needs both in mm.
    if {"2CH", "4CH"} <= patient.views.keys() and patient.metric_units:
        rows += _biplane_rows(patient)
    # Alone, without a prediction beside it, it would add a patient who was not measured.
    if patient.stated_ef is not None and rows:
        rows.append(_row(patient, "", "ef_stated", patient.stated_ef))
    return rows


def _measured(outcome: CaseOutcome) -> list[tuple[str, tuple[BeatPair, ...]]]:
    """The (ED, ES) pairs of one view by source; a source whose ED or ES is not at hand is left out."""
    # Left out, because a NaN would count as a failed prediction.
    found: list[tuple[str, tuple[BeatPair, ...]]] = [
        (source, ((outcome.profiles[source, "ED"], outcome.profiles[source, "ES"]),))
        for source in _SOURCES
        if (source, "ED") in outcome.profiles and (source, "ES") in outcome.profiles
    ]
    return found + ([("auto", outcome.beats)] if outcome.beats else [])


def _single(beat: BeatPair, volume: Callable[[LongAxisProfile | None], float]) -> Volumes:
    return volume(beat[0].anatomical), volume(beat[1].anatomical)


def _biplane_rows(patient: Patient) -> list[Row]:
    """Every beat of one view with every beat of the other: the views are not filmed together."""
    rows: list[Row] = []
    two, four = (dict(_measured(patient.views[view])) for view in ("2CH", "4CH"))
    for name in (name for name in two if name in four):
        pairs = list(itertools.product(two[name], four[name]))
        guideline = [
            (simpson_biplane_ml(a[0].anatomical, b[0].anatomical), simpson_biplane_ml(a[1].anatomical, b[1].anatomical))
            for a, b in pairs
        ]
        owners = [biplane_camus_ml((a[0].camus, b[0].camus), (a[1].camus, b[1].camus)) for a, b in pairs]
        rows += _ef_and_volumes(patient, "", f"biplane_{name}", guideline)
        rows += _ef_and_volumes(patient, "", f"biplane_camus_{name}", owners)
    return rows


def _ef_and_volumes(patient: Patient, view: str, name: str, beats: list[Volumes]) -> list[Row]:
    """Means over beats; the beats without a value are left out."""
    rows = [_row(patient, view, f"ef_{name}", mean_or_nan([ejection_fraction(*volumes) for volumes in beats]))]
    if patient.metric_units:
        rows += [
            _row(patient, view, f"{phase}_ml_{name}", mean_or_nan([volumes[index] for volumes in beats]))
            for index, phase in enumerate(("edv", "esv"))
        ]
    return rows


def _length_rows(patient: Patient, view: str, source: str, beat: BeatPair) -> list[Row]:
    lengths = [float("nan") if pair.anatomical is None else pair.anatomical.length_mm for pair in beat]
    unit = "mm" if patient.metric_units else "px"
    return [
        _row(patient, view, f"length_{unit}_{view.lower()}_{phase}_{source}", length)
        for phase, length in zip(("ed", "es"), lengths, strict=True)
    ]


def _row(patient: Patient, view: str, metric: str, value: float) -> Row:
    return {
        **patient.key,
        "view": view,
        "frame": -1,
        "phase": "",
        "structure": "lv",
        "metric": metric,
        "value": float(value),
    }
