"""Running a suite: every run of a plan, together with whoever else runs it; one failure never stops the others."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from rich.console import Console

from harness.errors import ConfigError
from harness.experiments.costs import measure_costs
from harness.experiments.execute import Keep
from harness.experiments.generations import accepted, newest, retrained
from harness.experiments.limits import TimeLimit
from harness.experiments.plan import SuitePlan
from harness.experiments.trainings import Trainings
from harness.experiments.worklist import Outcome, Task, tasks_of
from harness.store.runs import Run, RunSpec, RunStore
from harness.terminal import console as new_console


class Work(TypedDict, total=False):
    """Options of ``run_suite`` that its callers only hand on; what they mean stands there."""

    retrain: bool
    accept_code: bool
    workers: int
    minutes: float | None
    train: bool


@dataclass(kw_only=True, slots=True)
class SuiteOutcome:
    """The runs of a suite in their order, the names of those that failed, and what this process did.

    Attributes:
        runs, failed: see above.
        executed: number of runs that this process brought to an end.
        measured: names of the runs whose cost this process measured.
        left: names of the runs that are not finished because time was over.
    """

    runs: list[Run]
    failed: list[str] = field(default_factory=list)
    executed: int = 0
    measured: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def run_suite(
    plan: SuitePlan,
    results_root: Path,
    *,
    keep: Keep | None = None,
    dry_run: bool = False,
    retrain: bool = False,
    accept_code: bool = False,
    console: Console | None = None,
    progress: bool = True,
    workers: int = 1,
    only: int | None = None,
    minutes: float | None = None,
    train: bool = True,
) -> SuiteOutcome:
    """Execute what is not finished yet. A failed run is reported and the next one starts.

    Runs that make the first masks of others come first; they are no part of the outcome's ``runs``. Runs that another
    process works on are waited for, so that all processes of one command end with the same report. Costs are measured
    when the last run has been trained (``costs``).

    Args:
        plan: specs and data.
        results_root: root of the results store.
        keep: see ``execute``.
        dry_run: only say which runs there are and in which state.
        retrain: train again what is finished, as a run of the next generation; the finished run stays as it is.
        accept_code: where today's code has no finished run, take the last finished one of other code, with a mark.
        console: where each run's beginning and end is told; stderr by default.
        progress: show how far each run is.
        workers: processes of this machine that train at the same time; each has a CUDA device, where there are any.
        only: number of the one run that is trained, from 1 in the order of a dry run; nothing is measured then.
        minutes: after so many nothing more is begun, and the training in hand stops with a checkpoint.
        train: False trains nothing and only measures what is finished.

    Raises:
        KeyboardInterrupt: stopped by the user; the current run is marked as interrupted.
        ConfigError: started by ``torchrun`` with several processes.
    """
    console = console or new_console(errors=True)
    _refuse_ranks()
    store = RunStore(results_root)
    # Before anything is opened: a run that is accepted must not also be begun anew.
    others = accepted(store, plan.specs) if accept_code else {}
    # A report alone is of what there is: the next generation does not begin before something is trained.
    specs = [
        (retrained if retrain and train else newest)(store, spec) for spec in plan.specs if spec.folder not in others
    ]
    tasks = tasks_of(store, specs, create=not dry_run)
    for run in others.values():
        console.print(f"{run.name} is taken ({run.accepted}).")
    for sentence in plan.notes:
        console.print(sentence)
    if dry_run:
        for number, task in enumerate(tasks, 1):
            console.print(f"[{number}/{len(tasks)}] {task.title}: {task.run.status} ({task.run.name})")
        return SuiteOutcome(runs=_runs(store, plan, others, specs))
    trainings = Trainings(
        store=store,
        cache=plan.cache,
        tasks=tasks if only is None else [_numbered(tasks, only)],
        keep=keep,
        vis_backends=plan.vis_backends,
        progress=progress,
        limit=TimeLimit(minutes),
    )
    if workers > 1 and train:
        trainings.work_in(workers, console.print)
    # What a worker that died has left is done here; what failed in a worker is not tried once more.
    outcome = trainings.work(console.print, retry_failed=workers == 1, brief=workers > 1) if train else Outcome()
    # Alone and at the end: a timing beside other trainings compares with nothing.
    left, measured = trainings.left(), []
    if plan.profile is not None and only is None and not trainings.limit.over:
        measured = measure_costs((task.run for task in tasks), plan.profile, tell=console.print)
    if left and trainings.limit.over:
        console.print(
            f"Time is over; {len(left)} of {len(trainings.tasks)} runs are not finished. The same command goes on."
        )
    return SuiteOutcome(
        runs=_runs(store, plan, others, specs),
        failed=outcome.failed,
        executed=outcome.executed,
        measured=measured,
        left=left,
    )


def _numbered(tasks: list[Task], number: int) -> Task:
    """A task by its number in the list, from 1.

    Raises:
        ConfigError: there is none.
    """
    if not 1 <= number <= len(tasks):
        raise ConfigError(f"--only is {number}; the suite has the runs 1 to {len(tasks)} (--dry-run lists them).")
    return tasks[number - 1]


def _runs(store: RunStore, plan: SuitePlan, others: dict[str, Run], specs: list[RunSpec]) -> list[Run]:
    """The runs of a plan in its order: those of ``specs``, and accepted ones in their places."""
    rest = iter(specs)
    return [others.get(spec.folder) or store.open(next(rest), create=False) for spec in plan.specs]


def _refuse_ranks() -> None:
    """One run is one process here; ranks of ``torchrun`` would wait for each other's claims for ever."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "echobench bench is not started with torchrun: start the same command several times instead, each process "
            "takes runs that are free (CUDA_VISIBLE_DEVICES chooses the device of each)."
        )
