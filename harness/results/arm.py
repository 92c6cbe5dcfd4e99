"""The seeds of one configuration, which a table shows in one row."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from harness.results.measures import WHOLE, Measure, Selection
from harness.results.profile import ProfileSummary, median_summary
from harness.results.run_results import RunResults
from harness.store.formats.sweep import CLEAN


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One row of a comparison: the seeds of one configuration."""

    label: str
    runs: tuple[RunResults, ...]
    cache: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """Tables computed from these runs, by what they hold; they are shared and never changed in place."""

    @property
    def finished(self) -> tuple[RunResults, ...]:
        """The seeds that have something to count."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def tables(self) -> list[pd.DataFrame]:
        """Case rows of every finished seed, test split only."""
        return [run.test for run in self.finished]

    @property
    def first_frame(self) -> str:
        """First-frame protocol of the arm."""
        return self.runs[0].first_frame

    @property
    def seen(self) -> frozenset[str]:
        """Perturbations that training showed to the model."""
        return self.runs[0].seen

    @property
    def external(self) -> bool:
        """Whether its masks were made by another program."""
        return bool(self.runs[0].spec.get("masks"))

    @property
    def plain(self) -> str:
        """Label of the same without augmentation; empty where there is none."""
        return self.runs[0].plain

    @property
    def reason(self) -> str:
        """Why seeds are missing, in one line; empty when none is."""
        missing = [run for run in self.runs if not run.finished]
        return "; ".join(f"seed {run.seed} {run.status}" + (f": {run.reason}" if run.reason else "") for run in missing)

    @cached_property
    def cost(self) -> ProfileSummary:
        """The median over the seeds' profiles."""
        return median_summary(run.profile for run in self.finished)

    def values(self, measure: Measure, selection: Selection, condition: tuple[str, int] = (CLEAN, 0)) -> pd.DataFrame:
        """Displayed values [patients, seeds] under one condition; empty when the arm has nothing to count."""
        tables = self._tables(measure, selection)
        # A condition that one seed lacks stays as a column of nothing, so that the seed is seen to be missing.
        if not any(condition in table for table in tables.values()):
            return pd.DataFrame(dtype=float)
        key = (measure.name, measure.metrics, selection, condition)
        if key not in self.cache:
            columns = [table[condition] if condition in table else pd.Series(dtype=float) for table in tables.values()]
            self.cache[key] = pd.concat(columns, axis=1, keys=list(tables))
        table: pd.DataFrame = self.cache[key]
        return table

    def under(self, measure: Measure, selection: Selection = WHOLE) -> pd.DataFrame:
        """Displayed values [patients, conditions], averaged over seeds; a patient that one seed lacks is NaN."""
        key = (measure.name, "under", selection)
        if key not in self.cache:
            tables = list(self._tables(measure, selection).values())
            # Aligned by patient: one whom a seed lacks becomes NaN and never the mean of fewer seeds.
            self.cache[key] = sum(tables[1:], tables[0]) / len(tables) if tables else pd.DataFrame(dtype=float)
        table: pd.DataFrame = self.cache[key]
        return table

    def by_training(
        self, measure: Measure, statistic: Callable[[pd.DataFrame], pd.Series], selection: Selection = WHOLE
    ) -> pd.DataFrame:
        """``statistic`` of every seed's values [patients, conditions], as [patients, seeds]; empty without any."""
        tables = {seed: table for seed, table in self._tables(measure, selection).items() if table.size}
        if not tables:
            return pd.DataFrame(dtype=float)
        return pd.concat([statistic(table) for table in tables.values()], axis=1, keys=list(tables))

    @cached_property
    def conditions(self) -> set[tuple[str, int]]:
        """(perturbation, severity) that every seed was swept under, the clean one left out."""
        swept = [run.swept for run in self.finished if run.swept is not None]
        found = [set(zip(table["perturbation"], table["severity"], strict=True)) for table in swept]
        # What one seed was not swept under is no condition of the arm: means over other seeds would stand beside
        # means over all.
        return set.intersection(*found) - {(CLEAN, 0)} if found else set()

    def _tables(self, measure: Measure, selection: Selection) -> dict[int, pd.DataFrame]:
        """[patients, conditions] by seed."""
        key = (measure.name, measure.metrics, selection)
        if key not in self.cache:
            self.cache[key] = {run.seed: run.by_patient(measure, selection) for run in self.finished}
        tables: dict[int, pd.DataFrame] = self.cache[key]
        return tables
