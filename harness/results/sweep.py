"""Filling a result set with swept runs, and what a sweep says of each patient.

``robustness.csv.gz`` is the small part of a sweep that travels: one line per condition and patient, the unit of every
statistic. Its values are rounded to ``DECIMALS``, so that a report made from it says the same as one made from the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.errors import ConfigError
from harness.results.arm import Arm
from harness.results.folds import fold_count, pooled_mark
from harness.results.labels import each_training_once, plain_labels, run_labels, seen_perturbations
from harness.results.measures import sweep_patients
from harness.results.result_set import ResultSet
from harness.results.run_results import read_run
from harness.results.suite import reference_label
from harness.statistics.failures import worst_ef_error
from harness.statistics.margins import Criteria
from harness.statistics.patients import ef_methods, patient_means
from harness.store.formats.cases import CASES
from harness.store.formats.sweep import CLEAN, CONDITION, PATIENTS, sweep_files, swept
from harness.store.runs import Run

DECIMALS = 4
"""Of percent, millimetres and EF points."""
_KEYS = [*CONDITION, "patient"]


def sweep_results(
    runs: Sequence[Run], *, name: str, reference: str = "gdkvm", command: str = "", criteria: Criteria | None = None
) -> ResultSet:
    """Read swept runs; several seeds of one model and recipe are one arm. ``criteria``: of the suite that they are from.

    Raises:
        BenchError: a run was not swept. ConfigError: the runs come from different data or share no condition, or two are one
            training made again.
    """
    runs, repeated = each_training_once(runs)
    folds = fold_count(run.spec.data for run in runs)
    if not folds and len({run.spec.data["fingerprint"] for run in runs}) > 1:
        raise ConfigError("The runs were made with different data; report them one by one.")
    labels = run_labels(runs)
    read = tuple(
        read_run(run, label=label, plain=plain, seen=seen_perturbations(run.spec.recipe), swept=patients_of(run))
        for run, label, plain in zip(runs, labels, plain_labels(runs, labels), strict=True)
    )
    marks = [str(run.spec.data["mark"]) for run in runs if run.spec.data.get("mark")]
    mark = "; ".join(pooled_mark(marks, folds) if folds else marks[:1]) or None
    bare = ResultSet(name=name, dataset=runs[0].spec.data["dataset"], mark=mark, runs=read)
    # Means are compared over the same conditions or not at all.
    shared = set.intersection(*(arm.conditions for arm in bare.arms))
    severities = tuple(sorted({severity for _, severity in shared}))
    names = sorted({perturbation for perturbation, _ in shared})
    # A perturbation swept at three of five severities would weigh less than the others in every mean.
    perturbations = tuple(n for n in names if all((n, severity) in shared for severity in severities))
    if not perturbations:
        raise ConfigError("The runs share no swept condition; sweep all of them with the same options.")
    chosen = reference_label(read, reference)
    return ResultSet(
        name=name,
        dataset=bare.dataset,
        mark=bare.mark,
        runs=read,
        reference=chosen if chosen in labels else labels[0],
        command=command,
        criteria=criteria or Criteria(),
        perturbations=perturbations,
        severities=severities,
        notes=(
            *repeated,
            *_left_out(bare.arms, set(perturbations), severities),
            *_different_images([run.swept for run in read]),
        ),
    )


def patients_of(run: Run) -> pd.DataFrame:
    """The table of a swept run's patients: made from its rows, or as stored where the rows did not travel with it.

    Raises:
        BenchError: the run was not swept.
    """
    stored = run.path / PATIENTS.file
    if not stored.is_file() or sweep_files(run):
        return patient_table(swept(run))
    cases = CASES.stored(run.path)
    return unanswered(PATIENTS.read(stored), CASES.empty() if cases is None else CASES.read(cases))


def unanswered(table: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """A stored table of patients whose missing errors of EF count as the worst possible, as ``Measure.by_patient`` has it.

    Tables that were stored before that rule hold nothing there, also where an arm gave no EF at all. The truth is that of the
    run's own case rows; a patient who is not in them stays missing, and tables say how many are.
    """
    methods = ef_methods(cases)
    if not methods:
        return table
    answered = patient_means(cases, f"ef_{methods[0]}_predicted").notna().any()
    if table["ef_error"].isna().all() and answered:
        # The run's own test has the clean images too: who answered there was swept before errors of EF were stored.
        return table
    # Rounded as the stored values are, or a report from the table would differ from one from the rows.
    worst = worst_ef_error(patient_means(cases, f"ef_{methods[0]}_reference")).round(DECIMALS)
    return table.assign(ef_error=table["ef_error"].fillna(table["patient"].map(worst)))


def patient_table(rows: pd.DataFrame, structure: str = "lv") -> pd.DataFrame:
    """One line per (perturbation, severity, patient) of one run's rows (``SWEEP``), columns ``PATIENTS``, the clean first.

    A measure that is not in the rows, or that a patient has no value of, is NaN. ``clip_hash`` holds those of the
    patient's clips as the model saw them, joined by ``+``.
    """
    heads = rows.drop_duplicates([*_KEYS, "view"]).groupby(_KEYS)
    table = pd.DataFrame({"strength": heads["strength"].first(), "clip_hash": heads["clip_hash"].agg(_joined)})
    for name, values in sweep_patients(rows, structure).items():
        table[name] = values.T.stack(future_stack=True).round(DECIMALS)
    table = table.reset_index().sort_values(_KEYS, key=_clean_first, kind="stable", ignore_index=True)
    return table.reindex(columns=list(PATIENTS.columns))


def _joined(hashes: pd.Series) -> str:
    return "+".join(text for text in hashes if text)


def _clean_first(column: pd.Series) -> pd.Series:
    return column.where(column != CLEAN, "") if column.name == "perturbation" else column


def _left_out(arms: Sequence[Arm], kept: set[str], severities: Sequence[int]) -> tuple[str, ...]:
    """A note that names the perturbations that some arm has and another lacks, at one severity at least."""
    missing = [
        f"{name.replace('_', ' ')} ({arm.label})"
        for name in sorted({name for arm in arms for name, _ in arm.conditions} - kept)
        for arm in arms
        if any((name, severity) not in arm.conditions for severity in severities)
    ]
    return (f"Left out because a sweep is not complete: {', '.join(missing)}.",) if missing else ()


def _different_images(tables: Sequence[pd.DataFrame | None]) -> tuple[str, ...]:
    """A note where runs did not see identical bytes under the same condition: other devices, other ladders."""
    # Ladders that were calibrated anew, or another device's rounding, change what a model was shown.
    columns = [table.set_index(_KEYS)["clip_hash"] for table in tables if table is not None]
    hashes = pd.concat(columns, axis=1, join="inner")
    differing = int((hashes.nunique(axis=1) > 1).sum())
    if not differing:
        return ()
    return (f"The runs did not see the same bytes in {differing} of {len(hashes)} cases (other devices or ladders).",)
