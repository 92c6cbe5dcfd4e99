"""Running a study with one or several processes on this machine; further machines join with the same command."""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Callable

from harness.experiments.costs import let_measuring_end
from harness.experiments.execute import carry_out
from harness.experiments.study.job import ResolvedStudy, StudyJob
from harness.experiments.study.search import Search
from harness.experiments.worklist import Outcome, Worklist, tasks_of
from harness.jobs import orphaned, run_workers, visible_devices
from harness.leftovers import private_folder
from harness.store.runs import Run

logger = logging.getLogger(__name__)
Tell = Callable[[str], None]


def run_study(job: StudyJob, resolved: ResolvedStudy, *, workers: int = 1, tell: Tell = logger.info) -> None:
    """Work on a study until nothing is left of it.

    Args:
        job: what to run.
        resolved: the same with its data (``resolve``); with several workers each of them resolves it again.
        workers: processes; 1 works in this one.
        tell: receives one line per run.

    Raises:
        KeyboardInterrupt: Ctrl-C; every worker stopped at a safe moment, its run resumes from its checkpoint.
    """
    if workers == 1:
        work(job, resolved, tell=tell)
        return
    with private_folder("echobench-ablate-") as folder:
        file = folder / "job.json"
        # Counted once, here: each worker for itself would find the others' new runs and begin one generation more.
        file.write_text(dataclasses.replace(job, generations=resolved.generations).to_json(), encoding="utf-8")
        run_workers(
            [sys.executable, "-m", "harness.experiments.study", str(file)],
            workers,
            tell=tell,
            devices=visible_devices(),
        )


def work(job: StudyJob, resolved: ResolvedStudy, *, tell: Tell, progress: bool = True) -> None:
    """Take what is free of a study until all of it has ended, in this process."""
    if resolved.definition.kind == "tpe":
        Search(job, resolved, tell=tell, progress=progress).run()
    else:
        work_cells(resolved, tell=tell, retry_failed=job.retry_failed, progress=progress)


def work_cells(resolved: ResolvedStudy, *, tell: Tell, retry_failed: bool = False, progress: bool = True) -> Outcome:
    """Train the cells of a factorial study, each with every seed: a list of runs like that of any suite.

    Costs are measured later, alone (``profile_cells``): a timing beside other trainings compares with nothing.
    """
    plan = resolved.plan

    def carry(run: Run, maker: Run | None) -> None:
        carry_out(run, plan.cache, maker=maker, vis_backends=plan.vis_backends, progress=progress)

    tasks = tasks_of(resolved.store, resolved.trainings())

    def wanted() -> bool:
        let_measuring_end(resolved.store, tell)
        return not orphaned()

    return Worklist(tasks, carry, tell=tell, retry_failed=retry_failed, wanted=wanted).work()
