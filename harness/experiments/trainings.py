"""The trainings of a suite, worked off by this process or by several of this machine, each on a device of its own."""

from __future__ import annotations

import importlib
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.data import PreparedCache
from harness.experiments.costs import let_measuring_end
from harness.experiments.execute import Keep, carry_out
from harness.experiments.limits import REASON, TimeLimit
from harness.experiments.worklist import Outcome, Task, Worklist
from harness.jobs import orphaned, run_workers, visible_devices
from harness.leftovers import private_folder
from harness.modules import grant, granted, import_recorded
from harness.store.runs import Run, RunStore

logger = logging.getLogger(__name__)
Tell = Callable[[str], None]


@dataclass(kw_only=True, slots=True)
class Trainings:
    """What a process needs in order to train runs of a store.

    Attributes:
        store: of the runs.
        cache: their data.
        tasks: the runs, in the order in which they are tried.
        keep: see ``execute``; a function of a module, so that another process finds it by its name.
        vis_backends: where the trainings send their curves; None is the recipe's default.
        progress: show how far each run is.
        limit: when nothing more is begun.
    """

    store: RunStore
    cache: PreparedCache
    tasks: Sequence[Task]
    keep: Keep | None = None
    vis_backends: list[dict[str, Any]] | None = None
    progress: bool = True
    limit: TimeLimit = field(default_factory=lambda: TimeLimit(None))

    def work(self, tell: Tell, *, retry_failed: bool = True, brief: bool = False) -> Outcome:
        """Take what is free until all of it has ended, here or elsewhere, or time is over; ``brief`` tells of our own runs alone.

        Raises:
            KeyboardInterrupt: Ctrl-C; the run in hand is marked as interrupted and given back.
        """

        def wanted() -> bool:
            # Before the claim: whoever measures waits for the runs that are claimed.
            let_measuring_end(self.store, tell)
            return not self.limit.over and not orphaned()

        return Worklist(
            self.tasks, self._attempt, tell=tell, retry_failed=retry_failed, wanted=wanted, brief=brief
        ).work()

    def work_in(self, workers: int, tell: Tell) -> None:
        """The same by so many processes of this machine, which share its cores and have a CUDA device each, in turn.

        A worker that dies is told; the others, or whoever works in this process afterwards, take up its run.

        Raises:
            KeyboardInterrupt: Ctrl-C; every worker stopped at a safe moment.
        """
        with private_folder("echobench-bench-") as folder:
            order = folder / "order.json"
            order.write_text(self.to_json(), encoding="utf-8")
            command = [sys.executable, "-m", "harness.experiments", str(order)]
            run_workers(command, workers, tell=tell, devices=visible_devices())

    def left(self) -> list[str]:
        """Names of the runs that are neither finished nor failed."""
        for task in self.tasks:
            task.run.read()
        return [task.run.name for task in self.tasks if task.run.record["status"] not in ("finished", "failed")]

    def to_json(self) -> str:
        """The order as JSON, for another process of this machine."""
        # What is left and not when it ends: the clocks of two processes have no common zero.
        left_s = None if math.isinf(self.limit.ends) else self.limit.ends - time.monotonic()
        return json.dumps(
            {
                "store": str(self.store.root.resolve()),
                "cache": str(self.cache.path.resolve()),
                "tasks": [
                    {"run": task.run.name, "maker": task.maker and task.maker.name, "role": task.role}
                    for task in self.tasks
                ],
                "keep": None if self.keep is None else f"{self.keep.__module__}:{self.keep.__qualname__}",
                "vis_backends": self.vis_backends,
                "left_s": left_s,
                "granted": [sorted(granted()[0]), granted()[1]],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Trainings:
        """Read what ``to_json`` wrote; models of users are registered as their runs say."""
        order = json.loads(text)
        store = RunStore(order["store"])
        tasks = [
            Task(
                run=store.get(item["run"]), maker=store.get(item["maker"]) if item["maker"] else None, role=item["role"]
            )
            for item in order["tasks"]
        ]
        # What may be imported says the process that the user started, and not the folder of the run.
        grant((frozenset(order["granted"][0]), bool(order["granted"][1])))
        for task in tasks:
            model = task.run.spec.model
            # A worker is a fresh process: a model that a file of the user's registers is not there yet.
            import_recorded(model.get("custom_imports", ()), model["build"], f"The run {task.run.name}")
        keep = None
        if order["keep"] is not None:
            module, _, name = order["keep"].partition(":")
            keep = getattr(importlib.import_module(module), name)
        left_s = order["left_s"]
        return cls(
            store=store,
            cache=PreparedCache.open(order["cache"]),
            tasks=tasks,
            keep=keep,
            vis_backends=order["vis_backends"],
            progress=True,
            limit=TimeLimit(None if left_s is None else left_s / 60),
        )

    def _attempt(self, run: Run, maker: Run | None) -> None:
        try:
            carry_out(
                run,
                self.cache,
                maker=maker,
                keep=self.keep,
                vis_backends=self.vis_backends,
                watchers=[self.limit],
                progress=self.progress,
            )
        except KeyboardInterrupt:
            if not self.limit.stopped:
                raise
            run.stop("interrupted", REASON)
        except Exception:
            logger.debug("run %s failed", run.name, exc_info=True)
            raise
