"""The one form of results: arms x seeds x conditions x patients, whoever made them (a suite, a sweep, a study).

``suite.py``, ``sweep.py`` and ``study.py`` fill it; tables, figures, sentences and exports read it and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from harness.clip import structure_names
from harness.errors import BenchError, ConfigError, explained, unknown
from harness.results.design import Design
from harness.results.frames import at_ends, every_frame
from harness.results.measures import DICE, IOU, SWEPT, Measure, Selection, distances
from harness.results.profile import ProfileSummary, median_summary
from harness.statistics.comparison import SMALLEST_TRAININGS
from harness.statistics.margins import Criteria
from harness.store.formats.cases import CASES
from harness.store.formats.profile import PROFILE
from harness.store.formats.sweep import CLEAN, CONDITION
from harness.store.runs import Run

_CLIPS = {"ed_es": "ED and ES stills", "half": "half sequences"}
STRUCTURE_NAMES = {"lv": "LV endocardium", "myo": "LV myocardium", "la": "left atrium"}


@dataclass(frozen=True, kw_only=True)
class RunResults:
    """One run: what it measured, and where it comes from.

    Attributes:
        label: name in tables ("U-Net"); runs that share it are seeds of one arm.
        model: registry name; ``size`` and ``seed`` as in the run's spec.
        first_frame: ``auto``, ``gt`` or ``auto_unet``.
        rows: case rows; empty when the run did not finish.
        swept: table of a sweep's patients (``PATIENTS``), None where the rows are all there is.
        profile: one row per measured condition, or None.
        record: the run's record (``run.json``): environment, code version, timings, spec.
        status: ``finished``, ``failed``, ``interrupted`` ...; ``reason`` says why where it is not finished.
        folder: where logs and pictures lie, or None.
        seen: perturbations that its training used as augmentation.
        plain: label of the arm whose training differs in that augmentation alone, empty where there is none.
        accepted: mark of a run of other code that stands for one of today's (``--accept-code``), else None.
    """

    label: str
    model: str
    size: str = "small"
    seed: int = 0
    first_frame: str = "auto"
    rows: pd.DataFrame = field(default_factory=CASES.empty)
    swept: pd.DataFrame | None = None
    profile: pd.DataFrame | None = None
    record: dict[str, Any] = field(default_factory=dict)
    status: str = "finished"
    reason: str | None = None
    folder: Path | None = None
    seen: frozenset[str] = frozenset()
    plain: str = ""
    accepted: str | None = None

    @property
    def name(self) -> str:
        """Path below the store's root."""
        return str(self.record.get("name", ""))

    @property
    def spec(self) -> dict[str, Any]:
        """The recorded spec; empty where none was recorded."""
        spec: dict[str, Any] = self.record.get("spec") or {}
        return spec

    @property
    def finished(self) -> bool:
        """Whether there is something to count."""
        return self.status == "finished" and (not self.rows.empty or self.swept is not None)

    @cached_property
    def every(self) -> pd.DataFrame:
        """The case rows of the test split, those of all frames among them."""
        return self.rows[self.rows["split"] == "test"]

    @cached_property
    def test(self) -> pd.DataFrame:
        """The case rows of the test split that headline figures are of: ED and ES, whole clips, patients."""
        return at_ends(self.every)

    def by_patient(self, measure: Measure, selection: Selection) -> pd.DataFrame:
        """Displayed values [patients, conditions]; empty where the measure does not occur."""
        if self.swept is None:
            return measure.by_patient(every_frame(self.every) if measure.every else self.test, selection)
        return self.swept.set_index(["patient", *CONDITION])[measure.name].unstack(CONDITION)


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

    @property
    def cost(self) -> ProfileSummary:
        """The median over the seeds' profiles."""
        return median_summary(run.profile for run in self.finished)

    def values(self, measure: Measure, selection: Selection, condition: tuple[str, int] = (CLEAN, 0)) -> pd.DataFrame:
        """Displayed values [patients, seeds] under one condition; empty when the arm has nothing to count."""
        tables = self._tables(measure, selection)
        if not any(condition in table for table in tables.values()):
            return pd.DataFrame(dtype=float)
        key = (measure.name, measure.metrics, selection, condition)
        if key not in self.cache:
            columns = [table[condition] if condition in table else pd.Series(dtype=float) for table in tables.values()]
            self.cache[key] = pd.concat(columns, axis=1, keys=list(tables))
        table: pd.DataFrame = self.cache[key]
        return table

    def under(self, measure: Measure, selection: Selection = Selection()) -> pd.DataFrame:
        """Displayed values [patients, conditions], averaged over seeds; a patient that one seed lacks is NaN."""
        key = (measure.name, "under", selection)
        if key not in self.cache:
            tables = list(self._tables(measure, selection).values())
            self.cache[key] = sum(tables[1:], tables[0]) / len(tables) if tables else pd.DataFrame(dtype=float)
        table: pd.DataFrame = self.cache[key]
        return table

    def by_training(
        self, measure: Measure, statistic: Callable[[pd.DataFrame], pd.Series], selection: Selection = Selection()
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
        return set.intersection(*found) - {(CLEAN, 0)} if found else set()

    def _tables(self, measure: Measure, selection: Selection) -> dict[int, pd.DataFrame]:
        """[patients, conditions] by seed."""
        key = (measure.name, measure.metrics, selection)
        if key not in self.cache:
            self.cache[key] = {run.seed: run.by_patient(measure, selection) for run in self.finished}
        tables: dict[int, pd.DataFrame] = self.cache[key]
        return tables


@dataclass(frozen=True, kw_only=True)
class ResultSet:
    """Everything one report shows.

    Attributes:
        name: of the report; part of its path.
        dataset: label of the dataset ("CAMUS").
        mark: the dataset's mark ("partial: ...") or None; shown with every table and figure.
        runs: in the order of the table.
        reference: label of the arm that the others are tested against.
        command: what makes these results, shown under "how to reproduce".
        perturbations, severities: conditions that every arm was swept under; none for a suite.
        window: frames of faults that pass; None where they were always there.
        design: factors, cells and trials of a study; None for anything else.
        notes: sentences that a reader must know, below every table.
        criteria: primary endpoint and the smallest differences that matter.
        groups: what else is known of the patients (index), a grouping per column (``results.groups``).
        condition: key of the condition that all runs share; empty where they differ.
        difference: what sets that condition apart from the headline one, as part of a title; empty for that.
    """

    name: str
    dataset: str
    mark: str | None = None
    runs: tuple[RunResults, ...] = ()
    reference: str = "GDKVM"
    command: str = ""
    perturbations: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    window: int | None = None
    design: Design | None = None
    notes: tuple[str, ...] = ()
    condition: str = ""
    difference: str = ""
    criteria: Criteria = field(default_factory=Criteria)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)

    @property
    def heading(self) -> str:
        """What a reader calls these results: data, views, kind of clip and size in words; the name where no run says."""
        # The size is that of the models trained here; masks made elsewhere have none.
        ordered = sorted(self.runs, key=lambda run: bool(run.spec.get("masks")))
        spec = next((run.spec for run in ordered if run.spec.get("data", {}).get("clip")), None)
        if spec is None:
            return self.name
        data, size = spec["data"], spec["model"]["size"]
        words = [self.dataset, *([" and ".join(data["views"])] if data.get("views") else [])]
        words += [_CLIPS.get(data["clip"], data["clip"]), f"{size} models"]
        study = f"study of {self.design.definition.name.replace('_', ' ')}, " if self.design else ""
        return study + ", ".join(words) + self.difference

    @cached_property
    def arms(self) -> list[Arm]:
        """The runs grouped by label, in the order of first appearance."""
        labels = dict.fromkeys(run.label for run in self.runs)
        return [Arm(label=label, runs=tuple(run for run in self.runs if run.label == label)) for label in labels]

    @property
    def finished(self) -> list[Arm]:
        """The arms that have something to count."""
        return [arm for arm in self.arms if arm.finished]

    @property
    def others(self) -> list[Arm]:
        """The finished arms that the reference is compared with; none where the reference itself is not finished."""
        finished = self.finished
        present = any(arm.label == self.reference for arm in finished)
        return [arm for arm in finished if arm.label != self.reference] if present else []

    @property
    def seeds(self) -> int:
        """The largest number of finished seeds of an arm."""
        return max((len(arm.finished) for arm in self.arms), default=0)

    @property
    def several_trainings(self) -> bool:
        """Whether every finished arm has enough trainings for models to be ranked."""
        return bool(self.finished) and all(len(arm.finished) >= SMALLEST_TRAININGS for arm in self.finished)

    @property
    def protocols(self) -> list[str]:
        """First-frame protocols that occur, sorted."""
        return sorted({run.first_frame for run in self.runs})

    @cached_property
    def structures(self) -> list[str]:
        """Structures that were scored, the LV first."""
        found = {s for arm in self.arms for table in arm.tables for s in table["structure"].unique() if s}
        ordered = [s for s in STRUCTURE_NAMES if s in found]
        return ordered + sorted(found - set(ordered))

    @property
    def structure(self) -> str:
        """The structure that headline figures are of: the LV, or the first one scored."""
        return self.structures[0] if self.structures else "lv"

    @property
    def main(self) -> Selection:
        """The part of the rows that headline figures are of."""
        return Selection(structure=self.structure)

    @cached_property
    def measures(self) -> list[Measure]:
        """Overlap and distance measures, in the unit that the runs share; of a sweep those that every arm has, Dice first."""
        if self.perturbations:
            return [m for m in SWEPT if m is DICE or all(arm.under(m).notna().any(axis=None) for arm in self.arms)]
        return [DICE, IOU, *distances([table for arm in self.arms for table in arm.tables])]

    def arm(self, label: str) -> Arm:
        """The arm with this label (whatever its case), else the only one with this registry name.

        Raises:
            ConfigError: there is none, or more than one.
        """
        name = label.lower()
        fits = [arm for arm in self.arms if arm.label.lower() == name]
        fits = fits or [arm for arm in self.arms if arm.runs[0].model.lower() == name]
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise ConfigError(f"'{label}' may mean {' or '.join(arm.label for arm in fits)}; use one of these labels.")
        raise unknown("model", label, [arm.label for arm in self.arms], f"the results {self.name}")

    def of(self, *labels: str) -> ResultSet:
        """The same with these arms alone."""
        return replace(self, runs=tuple(run for run in self.runs if run.label in labels))


def shared_structure(runs: Sequence[Run]) -> str:
    """The first structure, in the order of the first run, that all runs segment: what tables of one structure are of.

    Raises:
        ConfigError: there is none.
    """
    sets = [structure_names(run.spec.protocol["structures"]) for run in runs]
    shared = [name for name in (sets[0] if sets else ()) if all(name in names for names in sets)]
    if not shared:
        chosen = " and ".join(dict.fromkeys("+".join(names) for names in sets))
        raise ConfigError(f"The runs segment {chosen or 'nothing'} and share no structure; report them one by one.")
    return shared[0]


def read_run(run: Run, **changes: Any) -> RunResults:
    """Read one run of the store; rows and profile only when it is finished. ``changes`` replace fields."""
    spec = run.spec
    finished = run.status == "finished"
    rows, profile = CASES.stored(run.path), PROFILE.stored(run.path)
    status, reason = str(run.status), run.record.get("reason")
    cases, costs = CASES.empty(), None
    try:
        cases = CASES.read(rows) if finished and rows is not None else cases
        costs = PROFILE.read(profile) if finished and profile is not None else None
    # One damaged run is told in the table and never keeps the others from being reported.
    except (BenchError, OSError) as error:
        cases, costs, status, reason = CASES.empty(), None, "damaged", str(explained(error) or error)
    read = RunResults(
        label=spec.model.get("label") or spec.model["name"],
        model=spec.model["name"],
        size=spec.model["size"],
        seed=spec.seed,
        first_frame=spec.protocol.get("first_frame", "auto"),
        rows=cases,
        profile=costs,
        record=run.record,
        status=status,
        reason=reason,
        folder=run.path,
        accepted=run.accepted,
    )
    return replace(read, **changes)


def design_of(results: ResultSet) -> Design:
    """The design of a study's results.

    Raises:
        ValueError: the results are no study's.
    """
    if results.design is None:
        raise ValueError(f"{results.name} is no study: it has no design")
    return results.design
