"""Running a suite: every run of a plan in turn, one failure never stops the others."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from harness.experiments.execute import Keep, execute
from harness.experiments.plan import SuitePlan
from harness.store.runs import Run, RunStore

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class SuiteOutcome:
    """The runs of a suite in their order, the names of those that failed, and how many were executed at all."""

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
) -> SuiteOutcome:
    """Execute what is not finished yet. A failed run is reported and the next one starts.

    Runs that make the first masks of others come first; they are no part of the outcome's ``runs``.

    Args:
        plan: specs and data.
        results_root: root of the results store.
        keep: see ``execute``.
        dry_run: only say which runs there are and in which state.
        console: where progress is told; stderr by default.

    Raises:
        KeyboardInterrupt: stopped by the user; the current run is marked as interrupted.
    """
    console = console or Console(stderr=True, highlight=False)
    store = RunStore(results_root)
    makers = [store.open(spec, create=not dry_run) for spec in plan.makers]
    runs = [store.open(spec, create=not dry_run) for spec in plan.specs]
    outcome = SuiteOutcome(runs=runs)
    for sentence in plan.notes:
        console.print(sentence)
    for number, run in enumerate([*makers, *runs], 1):
        role = " (first masks)" if number <= len(makers) else ""
        title = f"[{number}/{len(makers) + len(runs)}] {run.spec.model['label']}{role}, seed {run.spec.seed}"
        if dry_run or run.status == "finished":
            console.print(f"{title}: {run.status} ({run.name})")
            continue
        console.print(f"{title}: {_verb(run)} ({run.name})")
        outcome.executed += 1
        if not _attempt(run, plan, keep, console):
            outcome.failed.append(run.name)
    return outcome


def _verb(run: Run) -> str:
    return {"new": "start", "interrupted": "resume", "failed": "try again"}.get(run.status, run.status)


def _attempt(run: Run, plan: SuitePlan, keep: Keep | None, console: Console) -> bool:
    try:
        execute(run, plan.cache, profile=plan.profile, keep=keep)
    except Exception as error:
        logger.debug("run %s failed", run.name, exc_info=True)
        console.print(f"  failed: {run.record.get('reason') or error}", style="red")
        return False
    return True
