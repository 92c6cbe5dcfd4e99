"""How the arms of a suite rank, how stable that is, and whether it depends on the measure, the aggregation or the data."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.errors import ConfigError
from harness.results.comparisons import not_learned
from harness.results.measures import DICE, Measure
from harness.results.result_set import ResultSet
from harness.statistics.ranks import (
    Friedman,
    Nemenyi,
    RankStability,
    complete_cases,
    friedman,
    nemenyi,
    rank_stability,
    ranks_by_aggregation,
)

RANKED = ("HD95", "NSD")
"""Headers of the measures that the ranking is tried under beside Dice."""


def by_patient(results: ResultSet, measure: Measure = DICE) -> pd.DataFrame:
    """Displayed values per patient (row) and finished arm (column), averaged over seeds; NaN where a seed has none."""
    tables = {arm.label: arm.values(measure, results.main) for arm in results.finished}
    return pd.DataFrame({label: table.mean(axis=1, skipna=False) for label, table in tables.items()})


def ranking(results: ResultSet) -> tuple[pd.DataFrame, RankStability] | None:
    """Dice of the patients that every arm has, and how stable its ranking is; None below two arms or two patients.

    Arms that have not learned the task are left out. Trainings are redrawn where every arm has enough of them; else the
    ranking is of these trainings.
    """
    failed = set(not_learned(results))
    results = results.of(*(arm.label for arm in results.finished if arm.label not in failed))
    scores = complete_cases(by_patient(results))
    if scores.shape[1] < 2 or len(scores) < 2:
        return None
    trainings = {arm.label: arm.values(DICE, results.main) for arm in results.finished}
    return scores, rank_stability(scores, trainings=trainings if results.several_trainings else None)


def omnibus(scores: pd.DataFrame) -> Friedman:
    """Friedman's test over all arms on complete cases [patients, arms]."""
    return friedman(scores)


def rank_differences(scores: pd.DataFrame) -> Nemenyi:
    """Nemenyi's test of all pairs on complete cases [patients, arms]."""
    return nemenyi(scores)


def unlearned(suites: Sequence[ResultSet]) -> dict[str, list[ResultSet]]:
    """Arms that have not learned the task, and in which of the suites: they have no rank among those that have."""
    found: dict[str, list[ResultSet]] = {}
    for one in suites:
        for label in not_learned(one):
            found.setdefault(label, []).append(one)
    return found


def ranks_under_choices(results: ResultSet) -> pd.DataFrame:
    """Ranks of the arms (columns) under mean, median and worst decile of Dice, mean HD95 and mean NSD, and ``tau``.

    ``tau`` is Kendall's with the ranking by mean Dice. A measure that an arm lacks is left out; empty below two arms.
    """
    measures = [DICE, *(m for m in results.measures if m.header in RANKED)]
    tables = {measure: complete_cases(by_patient(results, measure)) for measure in measures}
    usable = {m.header: (table, m.higher) for m, table in tables.items() if len(table) > 1 and table.shape[1] > 1}
    return ranks_by_aggregation(usable) if DICE.header in usable else pd.DataFrame()


def ranks_over_datasets(suites: Sequence[ResultSet]) -> dict[str, pd.DataFrame]:
    """``ranks_under_choices`` of every suite by its name, over the arms that all of them have and that have learned the task.

    Raises:
        ConfigError: of several suites fewer than two such arms are in all.
    """
    shared = [arm.label for arm in suites[0].finished]
    shared = [label for label in shared if all(label in {arm.label for arm in one.finished} for one in suites)]
    # Out of all blocks where it failed in one: ranks among four and among five models have no mean.
    failed = unlearned(suites)
    shared = [label for label in shared if label not in failed]
    if len(shared) < 2 and len(suites) > 1:
        raise ConfigError(
            "A ranking over several reports needs at least two models that all of them have"
            + (f" and that have learned the task; {' and '.join(failed)} did not." if failed else ".")
        )
    return {one.name: ranks_under_choices(one.of(*shared)) for one in suites}
