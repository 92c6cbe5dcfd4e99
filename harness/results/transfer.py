"""Finished runs on data that they were not trained on: arms by model and training data, values by tested data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from harness.evaluation.metrics import DEFAULT_METRICS
from harness.results.arm import Arm
from harness.results.comparisons import failure_rate
from harness.results.labels import each_training_once, run_labels
from harness.results.measures import DICE, Measure, Selection, distances
from harness.results.run_results import read_run
from harness.statistics.comparison import SMALLEST_TRAININGS
from harness.statistics.families import ALPHA, Family, correct
from harness.statistics.unpaired import Unpaired, unpaired_difference
from harness.store.formats.evaluation import Evaluated
from harness.store.runs import Run

_TWICE = "rows of one training were given twice, each training counts once"
Rows = tuple[Run, Evaluated | None, pd.DataFrame]
"""A run, on what it was measured (None: on its own test split, as trained), and the rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """One arm on one dataset: ``home`` where these are the rows of its own test, ``elsewhere`` on data that are not those."""

    arm: Arm
    trained_on: str
    tested_on: str
    home: bool
    elsewhere: bool
    mark: str | None
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Model and training data."""
        return f"{self.arm.label}, trained on {self.trained_on}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drop:
    """What an arm loses on other data in one measure; positive is worse.

    ``low``, ``high`` at the corrected level; 95 % over patients where nothing is tested, and ``p`` is NaN: with fewer than three
    trainings measured on both sides, and of an arm that has not learned the task at home.
    """

    tested: Tested
    measure: Measure
    loss: Unpaired
    low: float
    high: float
    p: float

    @property
    def shown(self) -> bool:
        """Whether the corrected test shows a difference."""
        return self.p < ALPHA


def tested_arms(rows: Iterable[Rows]) -> list[Tested]:
    """Arms on datasets, in the order in which they come; the rows of trainings of one arm are joined.

    A training that is given twice for one dataset counts once, and a note says so.

    Raises:
        ConfigError: two runs are one training made again.
    """
    given = list(rows)
    runs, _ = each_training_once([run for run, _, _ in given])
    labels = {run.name: label + _fold_words(run) for run, label in zip(runs, run_labels(runs), strict=True)}
    grouped: dict[tuple[str, str, str], dict[str, Rows]] = {}
    twice: set[tuple[str, str, str]] = set()
    for run, what, table in given:
        # The title says how the rows were measured too: two measurements of one training are not two trainings.
        key = (labels[run.name], run.spec.data["dataset"], _title(run, what))
        if run.name in grouped.setdefault(key, {}) and what is not None:
            twice.add(key)
        grouped[key].setdefault(run.name, (run, what, table))
    tested = []
    for key, by_name in grouped.items():
        (label, trained_on, tested_on), members = key, list(by_name.values())
        # The measures ask for the test split; which one it was stands in the title.
        read = [read_run(run, label=label, rows=table.assign(split="test")) for run, _, table in members]
        run, what, _ = members[0]
        tested.append(
            Tested(
                arm=Arm(label=label, runs=tuple(read)),
                trained_on=trained_on,
                tested_on=tested_on,
                home=what is None,
                # The own test set measured again, with more metrics say, is no transfer.
                elsewhere=what is not None and not _at_home(run, what),
                mark=run.spec.data.get("mark") if what is None else what.mark,
                notes=(*(() if what is None else what.notes), *((_TWICE,) if key in twice else ())),
            )
        )
    return tested


def _fold_words(run: Run) -> str:
    """The training of each fold is an arm of its own here: elsewhere all of them are tested on the same patients."""
    fold = run.spec.data.get("fold")
    return f", fold {fold['test']}" if fold else ""


def as_tested(run: Run, what: Evaluated) -> bool:
    """Whether rows are of the patients that a run was tested on, measured as it was: its own rows are those."""
    return _at_home(run, what) and not what.all_frames and what.metrics == DEFAULT_METRICS


def _at_home(run: Run, what: Evaluated) -> bool:
    return what.fingerprint == run.spec.data["fingerprint"] and what.split == "test"


def _title(run: Run, what: Evaluated | None) -> str:
    """``camus (4CH, ed_es)``: what the patients that were measured are called, and how where they have other rows too."""
    data = run.spec.data
    name, views, clip, split = (
        (data["dataset"], data["views"], data["clip"], "test")
        if what is None
        else (what.dataset, what.views, what.clip, what.split)
    )
    how = "" if split == "test" else f", {split}"
    if what is not None and what.all_frames:
        how += ", all frames"
    if what is not None and _at_home(run, what) and what.metrics != DEFAULT_METRICS:
        how += f", {' + '.join(Path(name).stem for name in what.metrics)}"
    title = f"{name} ({'+'.join(views)}, {clip}{how})"
    same = (
        what is not None and split == "test" and what.fingerprint != data["fingerprint"] and title == _title(run, None)
    )
    return f"{title}, other data" if same else title


def measures_of(tested: Sequence[Tested]) -> list[Measure]:
    """Dice, and the distances in the unit that all rows share; Dice alone where units differ or are unknown."""
    tables = [table for one in tested for table in one.arm.tables]
    # Pixels of one dataset are no pixels of another: distances stand in a table only where all have one unit.
    units = {
        metric.rpartition("_")[2]
        for table in tables
        for metric in table["metric"].unique()
        if metric.startswith("hd95_")
    }
    return [DICE, *(m for m in distances(tables) if not m.csv_only)] if len(units) == 1 else [DICE]


def drops(tested: Sequence[Tested], structure: str = "lv") -> list[Drop]:
    """Every arm on other data against the same trainings at home: losses with intervals, one family over all of them."""
    selection = Selection(structure=structure)
    homes = {one.label: one for one in tested if one.home}
    pairs = [(homes[one.label], one) for one in tested if one.elsewhere and one.label in homes]
    learned = {one.label: failure_rate(one.arm, selection).learned for one, _ in pairs}
    found: list[Drop] = []
    for measure in measures_of(tested):
        for home, away in pairs:
            here, there = (side.arm.values(measure, selection) for side in (home, away))
            # The same trainings on both sides: else a loss would mix another seed's luck with the change of data.
            seeds = [seed for seed in here.columns if seed in there.columns] if here.size and there.size else []
            values = [table.reindex(columns=seeds).to_numpy(float) for table in (here, there)]
            # Turned so that positive is worse for every measure.
            first, second = values if measure.higher else values[::-1]
            loss = unpaired_difference(first, second)
            # Fewer trainings on both sides say what these trainings lose and nothing of the model.
            compared = len(seeds) >= SMALLEST_TRAININGS and learned[home.label]
            low, high = loss.limits(1 - ALPHA)
            drop = Drop(tested=away, measure=measure, loss=loss, low=low, high=high, p=math.nan)
            found.append(replace(drop, p=loss.p) if compared else drop)
    # One family over all arms and measures: a table of losses is read as one.
    family = correct([drop.p for drop in found])
    return [_corrected(drop, family, float(p)) for drop, p in zip(found, family.adjusted, strict=True)]


def _corrected(drop: Drop, family: Family, p: float) -> Drop:
    # Outside of the family there is nothing to correct for: the plain interval stays.
    if math.isnan(drop.p):
        return drop
    low, high = drop.loss.limits(family.interval_level)
    return replace(drop, low=low, high=high, p=p)
