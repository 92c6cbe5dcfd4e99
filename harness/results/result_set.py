"""The one form of results: arms x seeds x conditions x patients, whoever made them (a suite, a sweep, a study).

``suite.py``, ``sweep.py`` and ``study.py`` fill it; tables, figures, sentences and exports read it and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from harness.clip import structure_names
from harness.errors import ConfigError, unknown
from harness.results.arm import Arm
from harness.results.design import Design
from harness.results.folds import fold_count
from harness.results.measures import DICE, IOU, SWEPT, Measure, Selection, distances
from harness.results.passes import passes
from harness.results.run_results import RunResults
from harness.statistics.comparison import SMALLEST_TRAININGS
from harness.statistics.margins import Criteria
from harness.store.runs import Run

_CLIPS = {"ed_es": "ED and ES stills", "half": "half sequences", "cycle": "whole cycles", "beats": "several beats"}
STRUCTURE_NAMES = {"lv": "LV endocardium", "myo": "LV myocardium", "la": "left atrium"}


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
        left_out: names of runs that belong here and cannot be read; a note says why.
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
    left_out: tuple[str, ...] = ()

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
    def folds(self) -> int:
        """Folds of a cross-validation, which ``runs`` are of; 0 for anything else."""
        return fold_count(run.spec.get("data", {}) for run in self.runs)

    @cached_property
    def arms(self) -> list[Arm]:
        """The runs grouped by label, in the order of first appearance; of a cross-validation passes over its folds."""
        grouped: dict[str, list[RunResults]] = {}
        for run in self.runs:
            grouped.setdefault(run.label, []).append(run)
        return [
            Arm(label=label, runs=tuple(passes(runs, self.folds) if self.folds else runs))
            for label, runs in grouped.items()
        ]

    @property
    def finished(self) -> list[Arm]:
        """The arms that have something to count."""
        return [arm for arm in self.arms if arm.finished]

    @property
    def others(self) -> list[Arm]:
        """The finished arms that the reference is compared with; none where the reference itself is not finished."""
        finished = self.finished
        present = any(arm.label == self.reference for arm in finished)
        # Without the reference there is nothing to be tested against, and no caption may speak of a test.
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
        # The LV first whatever the rows' order: headline figures are of the first.
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


def design_of(results: ResultSet) -> Design:
    """The design of a study's results.

    Raises:
        ValueError: the results are no study's.
    """
    if results.design is None:
        raise ValueError(f"{results.name} is no study: it has no design")
    return results.design
