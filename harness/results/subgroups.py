"""Does the reference's lead depend on who the patients are? Groups of patients, and views within them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from harness.results.arm import Arm
from harness.results.ejection import ef_method
from harness.results.measures import DICE, Measure, Selection
from harness.results.result_set import ResultSet
from harness.statistics.families import correct
from harness.statistics.patients import patient_means
from harness.statistics.subgroups import Subgroups, ef_class, subgroups, within_patients
from harness.vocabulary import IMAGE_QUALITY


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    """Differences of the reference and one arm per subgroup, ``p_adjusted`` corrected over all interactions of a table."""

    grouping: str
    other: str
    effect: Subgroups
    p_adjusted: float


def interactions(results: ResultSet, measure: Measure = DICE) -> list[Interaction]:
    """Every grouping with every baseline, trainings taken as given; Benjamini-Hochberg over all interaction tests."""
    if not results.others:
        return []
    reference = results.arm(results.reference)
    made: list[Interaction] = []
    for name, groups in groupings(results).items():
        for arm in results.others:
            effect = subgroups(_difference(reference, arm, measure, results.main), groups)
            made.append(Interaction(grouping=name, other=arm.label, effect=effect, p_adjusted=float("nan")))
    views = sorted({str(view) for table in reference.tables for view in table["view"].unique()} - {""})
    for arm in results.others if len(views) > 1 else ():
        parts = {view: replace(results.main, view=view) for view in views}
        table = {view: _difference(reference, arm, measure, part) for view, part in parts.items()}
        made.append(
            Interaction(
                grouping="View", other=arm.label, effect=within_patients(pd.DataFrame(table)), p_adjusted=float("nan")
            )
        )
    # A column with one value for all patients asks nothing, and would count in the correction.
    made = [one for one in made if len(one.effect.groups) > 1]
    adjusted = correct([one.effect.p for one in made], "benjamini-hochberg").adjusted
    return [replace(one, p_adjusted=float(p)) for one, p in zip(made, adjusted, strict=True)]


def groupings(results: ResultSet) -> Mapping[str, pd.Series]:
    """Group per patient by what is known of the patients: image quality, class of EF, and the report's own columns.

    The EF is the stated one, else that of the reference masks. A patient's image quality is that of the poorer view.
    """
    tables = [table for arm in results.finished for table in arm.tables]
    groups: dict[str, pd.Series] = {}
    for table in tables[:1]:  # what a patient is does not depend on the model
        rows = table[table["metric"] == "image_quality"]
        if len(rows):
            groups["Image quality"] = (
                rows.groupby("patient")["value"].min().map({value: word for word, value in IMAGE_QUALITY.items()})
            )
        method = ef_method(results)
        for metric in ("ef_stated", f"ef_{method}_reference"):
            ef = patient_means(table, metric)
            if ef.notna().any():
                groups["Ejection fraction"] = ef_class(ef).set_axis(ef.index)
                break
    return groups | {str(name): results.groups[name] for name in results.groups}


def _difference(reference: Arm, other: Arm, measure: Measure, selection: Selection) -> pd.Series:
    """Paired difference per patient of means over trainings; NaN where one of them has no value."""
    first, second = (arm.values(measure, selection) for arm in (reference, other))
    if not first.size or not second.size:
        return pd.Series(dtype=float)
    return first.mean(axis=1, skipna=False) - second.mean(axis=1, skipna=False)
