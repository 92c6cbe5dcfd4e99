"""Working off a list of runs, together with every other process that works on the same list.

The results store is the queue: whoever finds a run that is free claims it and brings it to its end; what others hold is
waited for. So a second process of the same command, on this machine or on another that sees the folder, joins in, and
all of them end when the last run has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from harness.errors import BenchError, DiskFullError
from harness.experiments.first_mask import maker_spec
from harness.experiments.generations import newest
from harness.store.claim import POLL_S, Busy, Done, claim
from harness.store.lease import Lease, LeaseLostError
from harness.store.runs import Run, RunSpec, RunStore


@dataclass(kw_only=True, slots=True)
class Task:
    """A run to be brought to its end.

    Attributes:
        run: in whatever state.
        maker: the run that makes its first masks and must be finished first; None for most.
        role: what is said about it besides its name, e.g. ``" (first masks)"``.
        attempts: how often it had been tried when this process began: a failure of others since then counts as ours.
    """

    run: Run
    maker: Run | None = None
    role: str = ""
    attempts: int = 0

    def __post_init__(self) -> None:
        self.attempts = self.run.record.get("attempts", 0)

    @property
    def title(self) -> str:
        """``U-Net (first masks), seed 0``."""
        spec = self.run.spec
        return f"{spec.model['label']}{self.role}, seed {spec.seed}"


@dataclass(kw_only=True, slots=True)
class Outcome:
    """Names of the runs that failed, by whomever, and how many were carried out by this process."""

    failed: list[str] = field(default_factory=list)
    executed: int = 0


def tasks_of(store: RunStore, specs: Iterable[RunSpec], *, create: bool = True) -> list[Task]:
    """Tasks of specs in their order, each run once; the makers of first masks stand before all others.

    This is where first masks are asked for: what comes later is handed a run that is finished.
    """
    runs = {spec.folder: spec for spec in specs}
    # The makers of all specs first: two models of one seed share one maker, which is one task.
    makers = {name: newest(store, maker) for name, spec in runs.items() if (maker := maker_spec(spec)) is not None}
    opened = {spec.folder: store.open(spec, create=create) for spec in makers.values()}
    tasks = [Task(run=run, role=" (first masks)") for run in opened.values()]
    for name, spec in runs.items():
        if name not in opened:
            needed = opened[makers[name].folder] if name in makers else None
            tasks.append(Task(run=store.open(spec, create=create), maker=needed))
    return tasks


class Worklist:
    """Works off tasks in this process.

    Args:
        tasks: in the order in which they are tried.
        carry_out: brings a claimed run to ``finished``, given the finished run of its first masks or None; an error of
            it is a failure of that run.
        tell: receives one line per step.
        retry_failed: try runs again that had failed when this process began.
        wanted: asked before each claim; False ends the work (the process that started us is gone).
        brief: tell only of what this process does itself; who works beside it tells the rest.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        carry_out: Callable[[Run, Run | None], None],
        *,
        tell: Callable[[str], None],
        retry_failed: bool = True,
        wanted: Callable[[], bool] = lambda: True,
        brief: bool = False,
    ) -> None:
        self._waiting, self._total = list(enumerate(tasks, 1)), len(tasks)
        self._carry_out, self._tell = carry_out, tell
        self._retry_failed, self._wanted, self._brief = retry_failed, wanted, brief
        self._told: set[str] = set()
        self.outcome = Outcome()

    def work(self) -> Outcome:
        """Until every task has ended, here or elsewhere.

        Raises:
            DiskFullError: the disk is full; no further run is begun.
            KeyboardInterrupt: Ctrl-C; the run in hand is marked as interrupted and given back.
        """
        while self._waiting and self._wanted():
            if not self._pass():
                time.sleep(POLL_S)
        return self.outcome

    def _pass(self) -> bool:
        """Try every waiting task once; whether any of them ended."""
        moved = False
        for item in list(self._waiting):
            if not self._wanted():
                return moved
            if self._attend(*item):
                self._waiting.remove(item)
                moved = True
        return moved

    def _attend(self, number: int, task: Task) -> bool:
        """Do what can be done for a task now; whether it has ended."""
        title = f"[{number}/{self._total}] {task.title}"
        if not self._ready(task.maker):
            return False
        answer = claim(task.run)
        if isinstance(answer, Done):
            if not self._brief:
                self._tell(f"{title}: finished ({task.run.name})")
            return True
        if isinstance(answer, Busy):
            self._say_busy(title, task.run, f"{answer.holder.by}, since {answer.holder.since}")
            return False
        with answer.lease:
            return self._hold(title, task, answer.lease)

    def _hold(self, title: str, task: Task, lease: Lease) -> bool:
        run = task.run
        if run.record["status"] == "failed" and self._tried(task):
            self._tell(f"{title}: failed before: {run.record.get('reason')} ({run.name})")
            self.outcome.failed.append(run.name)
            return True
        self._tell(f"{title}: {_verb(run)} ({run.name})")
        self.outcome.executed += 1
        try:
            self._require(task)
            self._carry_out(run, task.maker)
        except LeaseLostError as error:
            # Not a failure of the run: whoever has taken it over goes on with it, and so may we, later.
            self._tell(f"  {error}")
            return False
        except DiskFullError:
            # The next run would only fill what is freed meanwhile, and fail as well.
            raise
        except Exception as error:
            self._tell(f"  failed: {run.record.get('reason') or error}")
            self.outcome.failed.append(run.name)
        return True

    def _ready(self, maker: Run | None) -> bool:
        if maker is None:
            return True
        maker.read()
        return maker.record["status"] == "finished" or maker.name in self.outcome.failed

    def _require(self, task: Task) -> None:
        maker = task.maker
        if maker is not None and maker.record["status"] != "finished":
            sentence = f"The run {maker.name}, which makes its first masks, failed; the same command tries again."
            task.run.stop("failed", sentence)
            raise BenchError(sentence)

    def _tried(self, task: Task) -> bool:
        return not self._retry_failed or task.run.record.get("attempts", 0) > task.attempts

    def _say_busy(self, title: str, run: Run, by: str) -> None:
        if run.name not in self._told and not self._brief:
            # Told once: a run of an hour would fill the log with the same line every second.
            self._told.add(run.name)
            self._tell(f"{title}: waits for {by} ({run.name})")


def _verb(run: Run) -> str:
    verbs = {"new": "start", "running": "resume", "interrupted": "resume", "failed": "try again"}
    return verbs[run.record["status"]]
