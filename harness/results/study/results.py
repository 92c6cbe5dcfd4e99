"""What a study's report is made from: the finished runs of its cells and the trials that Optuna remembers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import optuna
import pandas as pd

from harness.experiments.study.cells import Cell, variant_name
from harness.experiments.study.definition import StudyDefinition
from harness.experiments.study.job import ResolvedStudy
from harness.experiments.first_mask import measured_build
from harness.files import write_text
from harness.profiling import profile_model
from harness.reporting.measures import Measure, suite_measures
from harness.results.suite import Arm, SuiteResults, read_run
from harness.store.claim import hold
from harness.store.runs import Run
from harness.statistics.patients import patient_means


@dataclass(frozen=True, kw_only=True)
class StudyResults:
    """Everything a study's report shows.

    Attributes:
        definition: the study.
        cells: its variants, the full model first; empty for a ``tpe`` study.
        suite: one arm per variant (label: ``variant_name``), one run per seed, unfinished ones without rows.
        study: the stored study.
        command: the command that makes these results.
    """

    definition: StudyDefinition
    cells: tuple[Cell, ...]
    suite: SuiteResults
    study: optuna.Study
    command: str = ""
    cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Effects by metric: they are computed once for table, effect table and figure."""

    @classmethod
    def collect(cls, resolved: ResolvedStudy, study: optuna.Study, *, name: str, command: str = "") -> StudyResults:
        """Read the runs of a study from the results store; nothing is trained or measured."""
        definition = resolved.definition
        cells = tuple(resolved.cells)
        models = []
        for cell in cells:
            label = variant_name(definition, cell.levels)
            for seed in definition.seeds:
                models.append(dataclasses.replace(read_run(resolved.run(cell, seed)), label=label))
        data = resolved.plan.specs[0].data
        suite = SuiteResults(
            name=name,
            dataset=data["dataset"],
            mark=data.get("mark"),
            models=tuple(models),
            reference=variant_name(definition, cells[0].levels) if cells else "",
            command=command,
        )
        return cls(definition=definition, cells=cells, suite=suite, study=study, command=command)

    @cached_property
    def names(self) -> dict[str, str]:
        """Cell key → what the variant is called."""
        return {cell.key: variant_name(self.definition, cell.levels) for cell in self.cells}

    @property
    def structure(self) -> str:
        """The structure that is reported: the LV, or the first one scored."""
        return self.suite.structures[0] if self.suite.structures else "lv"

    @cached_property
    def measures(self) -> list[Measure]:
        """Overlap and distance measures, in the unit that the runs share."""
        return suite_measures(self.suite)

    def arm(self, cell: Cell) -> Arm:
        """The runs of a variant."""
        return self.suite.arm(self.names[cell.key])

    def scores(self, measure: Measure) -> dict[str, pd.DataFrame]:
        """Cell key → displayed values [patients, seeds] of one measure; cells without a finished run are left out."""
        found = {}
        for cell in self.cells:
            columns = {
                run.seed: patient_means(run.rows[run.rows["split"] == "test"], measure.metric, structure=self.structure)
                for run in self.arm(cell).finished
            }
            if columns:
                found[cell.key] = pd.DataFrame(columns) * measure.scale
        return found

    def trials(self) -> pd.DataFrame:
        """One row per trial: ``number``, ``state``, ``value`` (validation Dice), ``seed``, ``run``, ``reason``, parameters."""
        rows = [
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "value": trial.value if trial.state == optuna.trial.TrialState.COMPLETE else float("nan"),
                **{key: trial.user_attrs.get(key, "") for key in ("seed", "run", "reason")},
                **trial.params,
            }
            for trial in self.study.get_trials(deepcopy=False)
        ]
        return pd.DataFrame(rows, columns=None if rows else ["number", "state", "value", "seed", "run", "reason"])


def profile_cells(resolved: ResolvedStudy) -> list[str]:
    """Measure the cost of every variant whose first finished seed has no profile yet, one after another.

    Workers measure nothing themselves: timings taken beside other trainings would not compare.

    Returns:
        Names of the runs that were measured.
    """
    measured = []
    for cell in resolved.cells:
        runs = [resolved.run(cell, seed) for seed in resolved.definition.seeds]
        finished = [run for run in runs if run.status == "finished"]
        if finished and not any((run.path / "profile.csv").is_file() for run in finished):
            with hold(finished[0], finished_too=True, wait=True):
                _profile(finished[0], resolved)
            measured.append(finished[0].name)
    return measured


def _profile(run: Run, resolved: ResolvedStudy) -> None:
    model = run.spec.model
    settings = {"device": run.record["results"]["device"], **resolved.plan.profile}
    table = profile_model(
        measured_build(run.spec),
        model=model["name"],
        size=model["size"],
        custom_imports=model.get("custom_imports", ()),
        image_size=run.spec.recipe["image_size"],
        **settings,
    )
    write_text(run.path / "profile.csv", table.to_csv(index=False))


def clip_ms(profile: pd.DataFrame | None) -> float:
    """Median milliseconds of one whole clip as it is used at inference; NaN where it was not measured."""
    if profile is None or "mode" not in profile:
        return float("nan")
    rows = profile[profile["mode"] == "clip"]
    values = rows.sort_values("variant", key=lambda names: names != "inference", kind="stable")["median_ms"].dropna()
    return float(values.iloc[0]) if len(values) else float("nan")
