"""From the runs of an arm to the cells of a table: means, intervals over patients (and seeds), paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from harness.reporting.tables.table import Cell, Column, Direction
from harness.results.suite import Arm, SuiteResults
from harness.statistics.agreement import correlation
from harness.statistics.bootstrap import Floats, Statistic
from harness.statistics.paired import DICE_MARGIN, Comparison, compare
from harness.statistics.patients import distance_unit, ef_methods, ef_pairs, patient_means, seed_by_patient
from harness.statistics.seeds import SeedSummary, summarise, summarise_statistics

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """A metric of the case rows and how a table shows it; ``scale`` turns stored values into displayed ones."""

    metric: str
    header: str
    unit: str
    direction: Direction
    scale: float = 1.0
    digits: int = 2
    margin: float = 0.0
    csv_only: bool = False

    @property
    def column(self) -> Column:
        """The table column of this measure."""
        return Column(
            key=self.metric,
            header=self.header,
            unit=self.unit,
            direction=self.direction,
            digits=self.digits,
            csv_only=self.csv_only,
        )


def overlap_measures() -> list[Measure]:
    """Dice and IoU in percent."""
    dice = Measure(
        metric="dice", header="Dice", unit="%", direction="up", scale=100, digits=1, margin=100 * DICE_MARGIN
    )
    return [dice, Measure(metric="iou", header="IoU", unit="%", direction="up", scale=100, digits=1)]


def distance_measures(tables: Sequence[pd.DataFrame]) -> list[Measure]:
    """HD95 and ASD, and HD for the CSV alone, in the unit that the tables share."""
    unit = distance_unit(list(tables))
    return [
        Measure(metric=f"{name.lower()}_{unit}", header=name, unit=unit, direction="down", csv_only=name == "HD")
        for name in ("HD95", "ASD", "HD")
    ]


def suite_measures(results: SuiteResults) -> list[Measure]:
    """The overlap and distance columns of a suite."""
    tables = [table for arm in results.arms for table in arm.tables]
    return [*overlap_measures(), *distance_measures(tables)]


def arm_values(
    arm: Arm, measure: Measure, *, structure: str | None, view: str | None = None, phase: str | None = None
) -> pd.DataFrame:
    """Displayed values per patient (index) and seed (column); empty when the arm has no rows."""
    if not arm.tables:
        return pd.DataFrame(dtype=float)
    key = (measure, structure, view, phase)
    if key not in arm.cache:
        values = seed_by_patient(arm.tables, measure.metric, structure=structure, view=view, phase=phase)
        arm.cache[key] = values * measure.scale
    return arm.cache[key]


def summary_cell(summary: SeedSummary, *, dagger: bool = False) -> Cell:
    """A table cell of a summary."""
    interval = summary.interval
    return Cell(value=interval.point, low=interval.low, high=interval.high, seed_sd=summary.seed_sd, dagger=dagger)


def value_cell(values: pd.DataFrame, *, dagger: bool = False) -> Cell:
    """A table cell of patient x seed values; missing when there are none."""
    return summary_cell(summarise(values.to_numpy()), dagger=dagger) if values.size else Cell()


def comparisons(results: SuiteResults, measure: Measure, *, structure: str | None) -> list[Comparison]:
    """The reference against every other finished arm on patients x seeds; Holm over these arms."""
    values = {arm.label: arm_values(arm, measure, structure=structure) for arm in results.arms if arm.finished}
    return against_reference(results.reference, values, measure)


def against_reference(reference: str, values: dict[str, pd.DataFrame], measure: Measure) -> list[Comparison]:
    """Compare values per patient and seed with the reference's; nothing when the reference has none."""
    if not values.get(reference, pd.DataFrame()).size:
        return []
    others = {label: table for label, table in values.items() if label != reference and table.size}
    higher = measure.direction == "up"
    return compare(reference, others, values[reference], margin=measure.margin, higher=higher)


def ef_method(results: SuiteResults) -> str | None:
    """The preferred ejection fraction method that every finished arm has, or None."""
    tables = [table for arm in results.arms for table in arm.tables]
    if not tables:
        return None
    shared = [m for m in ef_methods(tables[0]) if all(m in ef_methods(table) for table in tables)]
    return shared[0] if shared else None


def ef_errors(arm: Arm, method: str, against: str) -> pd.DataFrame:
    """Absolute EF error in EF points per patient (index) and seed (column)."""
    columns = [(pairs["predicted"] - pairs["truth"]).abs() for pairs in arm_ef_pairs(arm, method, against)]
    return pd.concat(columns, axis=1, keys=range(len(columns))) if columns else pd.DataFrame(dtype=float)


def arm_ef_pairs(arm: Arm, method: str, against: str) -> list[pd.DataFrame]:
    """Predicted and true EF per patient, one table per seed."""
    for index, table in enumerate(arm.tables):
        if (method, against, index) not in arm.cache:
            arm.cache[method, against, index] = ef_pairs(table, method, against)
    return [arm.cache[method, against, index] for index in range(len(arm.tables))]


def ef_correlation(arm: Arm, method: str, against: str) -> SeedSummary | None:
    """Pearson r of predicted and true EF, averaged over seeds, over the patients that every seed has; None without any."""
    pairs = arm_ef_pairs(arm, method, against)
    if not pairs:
        return None
    shared = sorted(set.intersection(*(set(table.index) for table in pairs)))
    if len(shared) < 3:
        return None
    statistics = [_correlation(table.loc[shared]) for table in pairs]
    return summarise_statistics(statistics, len(shared))


def has_stated_ef(results: SuiteResults) -> bool:
    """Whether the dataset states an ejection fraction for anyone."""
    return any(patient_means(table, "ef_stated").notna().any() for arm in results.arms for table in arm.tables)


def _correlation(pairs: pd.DataFrame) -> Statistic:
    predicted, truth = pairs["predicted"].to_numpy(float), pairs["truth"].to_numpy(float)
    statistic: Statistic = partial(_weighted, predicted, truth)
    return statistic


def _weighted(predicted: Floats, truth: Floats, weights: Floats) -> Floats:
    return correlation(weights, predicted, truth)
