"""Ejection fraction of a result set: predicted and true values, agreement, correlation."""

from __future__ import annotations

import pandas as pd

from harness.results.arm import Arm
from harness.results.measures import Measure, ef_error
from harness.results.result_set import ResultSet
from harness.statistics.agreement import Agreement, agreement
from harness.statistics.bootstrap import Interval
from harness.statistics.patients import ef_methods, ef_pairs, patient_means


def ef_method(results: ResultSet) -> str | None:
    """The preferred ejection fraction method that every finished arm has, or None."""
    tables = [table for arm in results.arms for table in arm.tables]
    if not tables:
        return None
    # One method for all arms: a biplane EF beside a single-plane one would compare methods and not models.
    shared = [m for m in ef_methods(tables[0]) if all(m in ef_methods(table) for table in tables)]
    return shared[0] if shared else None


def ef_measure(results: ResultSet) -> Measure | None:
    """The error of EF by the method that the arms share; None where they share none."""
    method = ef_method(results)
    return ef_error(method) if method else None


def axis_rule(results: ResultSet) -> str:
    """How the long axis was laid in the rows of these runs, in words."""
    tables = [table for arm in results.arms for table in arm.tables]
    if all(table["metric"].str.startswith("length_").any() for table in tables):
        return "long axis from the middle of the annulus to the apex"
    # Rows of before 28 November 2026 hold no lengths; on reference masks the two rules differ by 0.1 points on average.
    return "long axis by the rule of before 28 November 2026"


def has_stated_ef(results: ResultSet) -> bool:
    """Whether the dataset states an ejection fraction for anyone."""
    return any(patient_means(table, "ef_stated").notna().any() for arm in results.arms for table in arm.tables)


def owners_ef(results: ResultSet) -> str | None:
    """The method that is comparable with the EF that CAMUS states, where every finished arm has it."""
    tables = [table for arm in results.arms for table in arm.tables]
    shared = tables and all("biplane_camus" in ef_methods(table) for table in tables)
    return "biplane_camus" if shared and results.dataset.startswith("camus") else None


def ef_tables(results: ResultSet, against: str, method: str | None = None) -> dict[str, list[pd.DataFrame]]:
    """Predicted and true EF per patient, one table per seed, by arm; arms without any pair are left out."""
    method = method or ef_method(results)
    tables = {arm.label: _pairs(arm, method, against) for arm in results.arms} if method else {}
    return {label: seeds for label, seeds in tables.items() if any(len(table) for table in seeds)}


def ef_agreements(results: ResultSet, against: str = "reference", method: str | None = None) -> dict[str, Agreement]:
    """Agreement of EF per arm; with several seeds the mean over the seeds' statistics, never that of a mean prediction."""
    method = method or ef_method(results)
    found = {arm.label: _agreement(arm, method, against) for arm in results.arms} if method else {}
    return {label: one for label, one in found.items() if one is not None}


def _agreement(arm: Arm, method: str, against: str) -> Agreement | None:
    """Agreement of one arm; None without any pair."""
    key = ("agreement", method, against)
    if key not in arm.cache:  # the main table, the table of EF and the figure ask for the same
        tables = _pairs(arm, method, against)
        if not any(len(table) for table in tables):
            return None
        predicted = pd.concat([table["predicted"] for table in tables], axis=1)
        # The truth does not depend on the seed; the mean keeps it where a seed lacks the patient.
        truth = pd.concat([table["truth"] for table in tables], axis=1).mean(axis=1)
        arm.cache[key] = agreement(predicted.to_numpy(), truth.to_numpy())
    found: Agreement = arm.cache[key]
    return found


def ef_correlation(arm: Arm, method: str, against: str) -> tuple[Interval, float] | None:
    """Pearson r of predicted and true EF, averaged over seeds, over the patients that every seed has, and its SD over seeds.

    None below three patients.
    """
    found = _agreement(arm, method, against)
    # Two points always have r = 1 or -1.
    return (found.r, found.seed_sd["r"]) if found is not None and found.n > 2 else None


def ef_failures(arm: Arm, method: str) -> tuple[int, float]:
    """How many of an arm's predicted EF are missing (patients x trainings), and the mean error without them."""
    missing, errors = 0, []
    for table in arm.tables:
        truth = patient_means(table, f"ef_{method}_reference").dropna()
        predicted = patient_means(table, f"ef_{method}_predicted").reindex(truth.index)
        missing += int(predicted.isna().sum())
        errors.append((predicted - truth).abs().mean())
    return missing, float(pd.Series(errors, dtype=float).mean())


def ef_unanswered(arm: Arm, method: str, against: str = "reference") -> tuple[int, int]:
    """Patients whose true EF is known and whose predicted one is missing in some training, and how many have a known one."""
    truth = "ef_stated" if against == "stated" else f"ef_{method}_reference"
    known = {patient for table in arm.tables for patient in patient_means(table, truth).dropna().index}
    pairs = _pairs(arm, method, against)
    answered = set.intersection(*(set(table.index) for table in pairs)) if pairs else set()
    return len(known - answered), len(known)


def _pairs(arm: Arm, method: str, against: str) -> list[pd.DataFrame]:
    key = ("ef", method, against)
    if key not in arm.cache:
        metrics = (f"ef_{method}_predicted", f"ef_{method}_reference", "ef_stated")
        arm.cache[key] = [ef_pairs(run.rows_of(*metrics), method, against) for run in arm.finished]
    pairs: list[pd.DataFrame] = arm.cache[key]
    return pairs
