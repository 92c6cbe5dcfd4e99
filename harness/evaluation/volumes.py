"""Rows of volumes and ejection fraction, per view and per patient, from LV profiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.evaluation.casework import CaseOutcome, Row, Source
from harness.evaluation.clinical import (
    LongAxisProfile,
    area_length_ml,
    ejection_fraction,
    simpson_biplane_ml,
    simpson_single_ml,
)

SINGLE_METHODS: dict[str, Callable[[LongAxisProfile | None], float]] = {
    "single": simpson_single_ml,
    "area_length": area_length_ml,
}
_SOURCES: tuple[Source, ...] = ("predicted", "reference")


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
    the method is ``biplane``, ``single_4ch`` or ``area_length_4ch`` (any view) and the source ``predicted`` or
    ``reference``. Volumes need a spacing; the EF of one view does not. A volume whose mask is empty is NaN, and so
    is its EF.
    """
    rows: list[Row] = []
    for view, outcome in patient.views.items():
        for method, volume in SINGLE_METHODS.items():
            for source in _SOURCES:
                name = f"{method}_{view.lower()}_{source}"
                rows += _volume_rows(patient, view, name, outcome, source, volume)
    # Biplane discs combine lengths of two pictures, which needs both in mm.
    if {"2CH", "4CH"} <= patient.views.keys() and patient.metric_units:
        for source in _SOURCES:
            rows += _biplane_rows(patient, source)
    # Alone, without a prediction beside it, it would add a patient who was not measured.
    if patient.stated_ef is not None and rows:
        rows.append(_row(patient, "", "ef_stated", patient.stated_ef))
    return rows


def _volume_rows(
    patient: Patient,
    view: str,
    name: str,
    outcome: CaseOutcome,
    source: Source,
    volume: Callable[[LongAxisProfile | None], float],
) -> list[Row]:
    if (source, "ED") not in outcome.profiles or (source, "ES") not in outcome.profiles:
        return []
    edv, esv = volume(outcome.profiles[source, "ED"]), volume(outcome.profiles[source, "ES"])
    return _ef_and_volumes(patient, view, name, edv, esv)


def _biplane_rows(patient: Patient, source: Source) -> list[Row]:
    two, four = patient.views["2CH"].profiles, patient.views["4CH"].profiles
    # A view whose ED or ES is not at hand gives no row at all; a NaN would count as a failed prediction.
    if any((source, phase) not in profiles for phase in ("ED", "ES") for profiles in (two, four)):
        return []
    edv, esv = (simpson_biplane_ml(two[source, phase], four[source, phase]) for phase in ("ED", "ES"))
    return _ef_and_volumes(patient, "", f"biplane_{source}", edv, esv)


def _ef_and_volumes(patient: Patient, view: str, name: str, edv: float, esv: float) -> list[Row]:
    rows = [_row(patient, view, f"ef_{name}", ejection_fraction(edv, esv))]
    if patient.metric_units:
        rows += [_row(patient, view, f"edv_ml_{name}", edv), _row(patient, view, f"esv_ml_{name}", esv)]
    return rows


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
