"""Sequences as a whole: every frame whose mask is true, how steady a model is, how well it finds ED and ES, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from harness.reporting.tables.main_comparison import counted, fewer_patients, ranked_alike, value_cell
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, measure_column
from harness.reporting.tables.words import interval_words
from harness.results.arm import Arm
from harness.results.comparisons import not_learned
from harness.results.frames import STAGES, at_ends, by_stage, every_frame, interpolated
from harness.results.measures import DICE, Measure, Selection, curve_ef_error, over_time
from harness.results.result_set import STRUCTURE_NAMES, ResultSet
from harness.statistics.patients import distance_unit

PATIENTS = Column(key="patients", header="n", digits=0, source=Source("cases", "patient", "patients of the rows"))
_EVERY = "patient mean of every frame"


def time_table(results: ResultSet) -> Table | None:
    """One row per model; None where no run was scored on a sequence."""
    measures = [measure for measure in _measures(results) if _occurs(results, measure)]
    if not measures:
        return None
    drawn, structure = _drawn(results), results.structure
    columns = [measure_column(measure, source=_source(measure)) for measure in measures]
    if drawn:
        source = Source("cases", DICE.name, "patient mean of interpolated frames")
        columns.append(measure_column(DICE, "dice_interpolated", "Dice against interpolated masks", source=source))
    values = {
        arm.label: {measure.name: arm.values(measure, results.main) for measure in measures} for arm in results.arms
    }
    if drawn:
        for arm in results.arms:
            values[arm.label]["dice_interpolated"] = _by_patient(arm, structure, "interp")
    rows = _rows(results, values, columns, {measure.name: measure for measure in measures})
    return Table(
        name="over_time",
        title=f"{results.heading}: {STRUCTURE_NAMES.get(structure, structure)} over time",
        caption=f"Mean over patients with {interval_words(results)}. Dice, HD95, ASD and NSD: over every frame whose mask is true, ED "
        "and ES among them; masks that the owners interpolated stand apart. Flicker: pixels that change in one frame and change back "
        "in the next, beside the reference's own. Area curve error: mean absolute difference in percent of the reference's mean "
        "area. ED and ES found: how far the largest and smallest predicted area are from the stated frames. EF of the curve: "
        "single-plane Simpson's rule between these two frames, against the same of the reference's curve.",
        columns=(*columns, PATIENTS, *(counted(column) for column in columns)),
        rows=tuple(rows),
        notes=tuple(fewer_patients(rows, columns)),
        mark=results.mark,
        scope=results.name,
    )


def stage_table(results: ResultSet) -> Table | None:
    """Dice by stage of the cycle, one row per model; None where no sequence has true masks between ED and ES."""
    structure = results.structure
    values = {arm.label: {stage: _stage(arm, structure, stage) for stage in STAGES} for arm in results.arms}
    present = [stage for stage in STAGES if any(stages[stage].size for stages in values.values())]
    # ED and ES alone are two columns that the main table has already.
    if len(present) < 3:
        return None
    source = Source("cases", DICE.name, "patient mean of a stage")
    columns = [measure_column(DICE, stage.replace(" ", "_"), stage, source=source) for stage in present]
    keyed = {label: {stage.replace(" ", "_"): stages[stage] for stage in present} for label, stages in values.items()}
    rows = _rows(results, keyed, columns, {})
    return Table(
        name="stages",
        title=f"{results.heading}: {STRUCTURE_NAMES.get(structure, structure)} by stage of the cycle",
        caption=f"Dice [%], mean over patients with {interval_words(results)}; frames between ED and ES, and after ES, in thirds.",
        columns=(*columns, PATIENTS, *(counted(column) for column in columns)),
        rows=tuple(rows),
        notes=tuple(fewer_patients(rows, columns)),
        mark=results.mark,
        scope=results.name,
    )


def _rows(
    results: ResultSet,
    values: Mapping[str, Mapping[str, pd.DataFrame]],
    columns: Sequence[Column],
    measures: Mapping[str, Measure],
) -> list[Row]:
    """A row per arm from its values [patients, seeds] by column; n counts every patient of its rows, answered or not.

    Columns that are not in ``measures`` are Dice.
    """
    rows = []
    for arm in results.arms:
        cells = {key: value_cell(table, measures.get(key, DICE)) for key, table in values[arm.label].items()}
        # Where a model gives no answer it has no value: how many patients are left stands beside every mean.
        cells |= {f"{key}_n": Cell(value=len(table.dropna())) for key, table in values[arm.label].items() if table.size}
        patients = {patient for table in arm.tables for patient in table["patient"]}
        cells["patients"] = Cell(value=len(patients) or math.nan)
        rows.append(Row(label=arm.label, cells=cells))
    everyone: dict[str, set[str]] = {}
    for tables in values.values():
        for key, table in tables.items():
            everyone.setdefault(key, set()).update(table.dropna().index)
    # Stages that a patient's clip lacks, all models lack: who has the same patients is ranked among them.
    counts = {key: len(patients) for key, patients in everyone.items()}
    return ranked_alike(rows, columns, not_learned(results), counts)


def _measures(results: ResultSet) -> list[Measure]:
    tables = [table for arm in results.arms for table in arm.tables]
    # Without a finished run nobody knows which metrics the rows will hold.
    if not tables:
        return []
    names = {name for table in tables for name in table["metric"].unique()}
    # Simpson's rule of one plane: 4CH is the view that every dataset has.
    view = next((view for view in ("4CH", "2CH") if f"curve_ef_{view.lower()}_reference" in names), None)
    return [*over_time(distance_unit(tables)), *([curve_ef_error(view)] if view else [])]


def _occurs(results: ResultSet, measure: Measure) -> bool:
    """Whether it says something: a figure of every frame only where there are true masks besides ED and ES."""
    runs = [run for arm in results.arms for run in arm.finished]
    if measure.every:
        # Stills, and clips that name neither ED nor ES, have no further frames: their headline figures are of all of them.
        between = any(len(at_ends(rows)) < len(rows) for rows in (every_frame(run.every) for run in runs))
        return between and any(arm.values(measure, results.main).size for arm in results.arms)
    return any(arm.values(measure, results.main).notna().any(axis=None) for arm in results.arms)


def _source(measure: Measure) -> Source:
    metric = (measure.metrics or (measure.name,))[0]
    reduction = {"absolute": "absolute patient mean", "difference": "EF MAE of the curve"}.get(
        measure.averaging, "patient mean"
    )
    return Source("cases", metric, _EVERY if measure.every else reduction)


def _drawn(results: ResultSet) -> bool:
    return any(len(interpolated(run.every)) for arm in results.arms for run in arm.finished)


def _by_patient(arm: Arm, structure: str, phase: str) -> pd.DataFrame:
    """Dice [patients, seeds] of the frames of one phase."""
    selection = Selection(structure=structure, phase=phase)
    tables = {run.seed: DICE.by_patient(run.every, selection) for run in arm.finished}
    filled = {seed: table.iloc[:, 0] for seed, table in tables.items() if table.size}
    return pd.concat(filled.values(), axis=1, keys=list(filled)) if filled else pd.DataFrame(dtype=float)


def _stage(arm: Arm, structure: str, stage: str) -> pd.DataFrame:
    """Dice [patients, seeds] of one stage of the cycle."""
    key = ("stages", structure)
    if key not in arm.cache:
        # Rows know one ED and ES: of several beats, what lies after them is no late diastole but the next beats.
        single = [run for run in arm.finished if run.spec.get("data", {}).get("clip") != "beats"]
        dice = [(run.seed, run.every[run.every["metric"] == DICE.name]) for run in single]
        # Cut into stages once; every stage of the table selects from it.
        arm.cache[key] = [(seed, by_stage(rows)) for seed, rows in dice]
    selection = Selection(structure=structure, phase=stage)
    tables = {seed: DICE.by_patient(rows, selection) for seed, rows in arm.cache[key]}
    filled = {seed: table.iloc[:, 0] for seed, table in tables.items() if table.size}
    return pd.concat(filled.values(), axis=1, keys=list(filled)) if filled else pd.DataFrame(dtype=float)
