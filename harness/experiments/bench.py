"""Running a suite: every run of a plan, together with whoever else runs it; one failure never stops the others."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from harness.errors import ConfigError
from harness.experiments.execute import Keep, carry_out
from harness.experiments.plan import SuitePlan
from harness.experiments.worklist import Worklist, tasks_of
from harness.store.runs import Run, RunStore

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
        console: where each run's beginning and end is told; stderr by default.
        progress: show how far each run is.

    Raises:
        KeyboardInterrupt: stopped by the user; the current run is marked as interrupted.
        ConfigError: started by ``torchrun`` with several processes.
    """
    console = console or Console(stderr=True, highlight=False)
    _refuse_ranks()
    store = RunStore(results_root)
    tasks = tasks_of(store, plan.specs, create=not dry_run)
    for sentence in plan.notes:
        console.print(sentence)
    if dry_run:
        for task in tasks:
            console.print(f"{task.title}: {task.run.status} ({task.run.name})")
        return SuiteOutcome(runs=[store.open(spec, create=False) for spec in plan.specs])

    def attempt(run: Run) -> None:
        try:
            carry_out(
                run,
                plan.cache,
                profile=plan.profile,
                keep=keep,
                vis_backends=plan.vis_backends,
                progress=progress,
            )
        except Exception:
            logger.debug("run %s failed", run.name, exc_info=True)
            raise

    outcome = Worklist(tasks, attempt, tell=console.print).work()
    runs = [store.open(spec, create=False) for spec in plan.specs]
    return SuiteOutcome(runs=runs, failed=outcome.failed, executed=outcome.executed)


def _refuse_ranks() -> None:
    """One run is one process here; ranks of ``torchrun`` would wait for each other's claims for ever."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "echobench bench is not started with torchrun: start the same command several times instead, each process "
            "takes runs that are free (CUDA_VISIBLE_DEVICES chooses the device of each)."
        )
