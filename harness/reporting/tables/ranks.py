"""Does the order of the models depend on the measure, on how patients are summed up, or on the data?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from scipy import stats

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.measures import DICE
from harness.results.ranks import ranks_over_datasets, unlearned
from harness.results.result_set import ResultSet


def rank_table(*suites: ResultSet) -> Table | None:
    """Ranks under every choice, a block per suite; None where one suite has fewer than two models to rank.

    A model that has not learned the task stands without a rank, and a note says why.

    Raises:
        ConfigError: several suites that share fewer than two models.
    """
    if len(suites) == 1 and len(suites[0].finished) < 2:
        return None
    found = {name: ranks for name, ranks in ranks_over_datasets(suites).items() if len(ranks)}
    if not found:
        return None
    # The models of the first block; ``ranks_over_datasets`` has seen to it that all blocks have them.
    labels = [label for label in next(iter(found.values())).columns if label != "tau"]
    failed = unlearned(suites)
    shown = [arm.label for arm in suites[0].finished if arm.label in labels or arm.label in failed]
    source = Source("cases", DICE.name, "rank")
    several = len(suites) > 1
    headings = {one.name: one.heading for one in suites}
    return Table(
        name="ranks",
        title=f"{' and '.join(headings.values())}: ranks under other measures and summaries",
        caption="1 is best, ties share the mean rank; over the patients that every model has. τ: Kendall's, with the ranking by mean "
        f"Dice{' of the first data set' if several else ''}. {_scope(suites)}",
        columns=(
            *(Column(key=label, header=label, digits=1, source=source) for label in shown),
            Column(key="tau", header="τ", digits=2, source=source),
        ),
        rows=tuple(_rows(found, labels, headings if several else {})),
        notes=(*_unranked(failed, several), *_agreement(found, labels)),
        mark="; ".join(dict.fromkeys(one.mark for one in suites if one.mark)) or None,
        stub="Ranked by",
        ranked=False,
        scope=suites[0].name,
    )


def _rows(found: dict[str, pd.DataFrame], labels: list[str], headings: dict[str, str]) -> list[Row]:
    rows = []
    first = next(iter(found.values())).iloc[0]
    for name, ranks in found.items():
        for choice, line in ranks.iterrows():
            # Between data sets everything is held against the first one; within one its own tau says the same.
            tau = _tau(first[labels], line[labels]) if headings else float(line["tau"])
            cells = {label: Cell(value=float(line[label])) for label in labels} | {"tau": Cell(value=tau)}
            rows.append(Row(label=str(choice), cells=cells, group=headings.get(name, "")))
    return rows


def _unranked(failed: Mapping[str, Sequence[ResultSet]], several: bool) -> list[str]:
    """Why a model has no rank: a sentence for each that has not learned the task."""
    return [
        f"{label} has no rank: it has not learned the task (most patients failed)"
        + (f" on {' and '.join(one.heading for one in where)}." if several else ".")
        for label, where in failed.items()
    ]


def _agreement(found: dict[str, pd.DataFrame], labels: list[str]) -> tuple[str, ...]:
    """Mean ranks over the data sets, where there are several."""
    if len(found) < 2:
        return ()
    mean = pd.DataFrame([ranks.iloc[0][labels] for ranks in found.values()]).mean().sort_values(kind="stable")
    told = ", ".join(f"{label} {rank:.1f}" for label, rank in mean.items())
    return (f"Mean rank by mean Dice over {len(found)} data sets: {told}.",)


def _tau(first: pd.Series, second: pd.Series) -> float:
    return float(stats.kendalltau(first.to_numpy(float), second.to_numpy(float)).statistic)


def _scope(suites: Sequence[ResultSet]) -> str:
    if all(one.several_trainings for one in suites):
        return "Trainings are averaged."
    return "Fewer than three trainings of a model: these are ranks of trainings, not of models."
