"""From a resolved study to its results: the runs of its cells as they lie in the store, and their cost."""

from __future__ import annotations

import logging
from collections.abc import Callable

import optuna

from harness.experiments.costs import measure_costs
from harness.experiments.study.job import ResolvedStudy
from harness.results.design import Design
from harness.results.result_set import ResultSet
from harness.results.study import study_results
from harness.store.formats.profile import PROFILE

logger = logging.getLogger(__name__)


def collect(resolved: ResolvedStudy, study: optuna.Study, *, name: str, command: str = "") -> ResultSet:
    """Read the runs of a study from the results store; nothing is trained or measured.

    ``study`` is the stored one of a search, or ``study_of`` of a factorial study.
    """
    design = Design(definition=resolved.definition, cells=tuple(resolved.cells), study=study)
    runs = [(cell.key, resolved.run(cell, seed)) for cell in resolved.cells for seed in resolved.definition.seeds]
    return study_results(design, runs, resolved.plan.specs[0].data, name=name, command=command)


def profile_cells(resolved: ResolvedStudy, tell: Callable[[str], None] = logger.info) -> list[str]:
    """Measure the cost of every variant whose first finished seed has no profile yet, one after another.

    Workers measure nothing themselves: timings taken beside other trainings would not compare.

    Returns:
        Names of the runs that were measured.
    """
    chosen = []
    for cell in resolved.cells:
        runs = [resolved.run(cell, seed) for seed in resolved.definition.seeds]
        # Today's code must not measure weights of other code: such a run has the cost that it had.
        finished = [run for run in runs if run.status == "finished" and not run.accepted]
        # One profile a variant: its cost does not depend on the seed.
        if not any((run.path / PROFILE.file).is_file() for run in finished):
            chosen += finished[:1]
    return measure_costs(chosen, resolved.plan.profile or {}, tell=tell)
