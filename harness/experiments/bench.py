"""Running a suite: every run of a plan, together with whoever else runs it; one failure never stops the others."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from harness.errors import ConfigError
from harness.experiments.execute import Keep, carry_out
from harness.experiments.generations import accepted, newest, retrained
from harness.experiments.plan import SuitePlan
from harness.experiments.worklist import Worklist, tasks_of
from harness.store.runs import Run, RunSpec, RunStore

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class SuiteOutcome:
    """The runs of a suite in their order, the names of those that failed, and how many this process executed."""

    runs: list[Run]
    failed: list[str] = field(default_factory=list)
    executed: int = 0


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
) -> SuiteOutcome:
    """Execute what is not finished yet. A failed run is reported and the next one starts.

    Runs that make the first masks of others come first; they are no part of the outcome's ``runs``. Runs that another
    process works on are waited for, so that all processes of one command end with the same report.

    Args:
        plan: specs and data.
        results_root: root of the results store.
        keep: see ``execute``.
        dry_run: only say which runs there are and in which state.
        retrain: train again what is finished, as a run of the next generation; the finished run stays as it is.
        accept_code: where today's code has no finished run, take the last finished one of other code, with a mark.
        console: where each run's beginning and end is told; stderr by default.
        progress: show how far each run is.

    Raises:
        KeyboardInterrupt: stopped by the user; the current run is marked as interrupted.
        ConfigError: started by ``torchrun`` with several processes.
    """
    console = console or Console(stderr=True, highlight=False)
    _refuse_ranks()
    store = RunStore(results_root)
    others = accepted(store, plan.specs) if accept_code else {}
    specs = [(retrained if retrain else newest)(store, spec) for spec in plan.specs if spec.folder not in others]
    tasks = tasks_of(store, specs, create=not dry_run)
    for run in others.values():
        console.print(f"{run.name} is taken ({run.accepted}).")
    for sentence in plan.notes:
        console.print(sentence)
    if dry_run:
        for task in tasks:
            console.print(f"{task.title}: {task.run.status} ({task.run.name})")
        return SuiteOutcome(runs=_runs(store, plan, others, specs))

    def attempt(run: Run, maker: Run | None) -> None:
        try:
            carry_out(
                run,
                plan.cache,
                maker=maker,
                profile=plan.profile,
                keep=keep,
                vis_backends=plan.vis_backends,
                progress=progress,
            )
        except Exception:
            logger.debug("run %s failed", run.name, exc_info=True)
            raise

    outcome = Worklist(tasks, attempt, tell=console.print).work()
    return SuiteOutcome(runs=_runs(store, plan, others, specs), failed=outcome.failed, executed=outcome.executed)


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
