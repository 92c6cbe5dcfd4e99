"""One worker: takes trials of a study until none is left, and takes up those of workers that died."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

import optuna
from optuna.exceptions import StorageInternalError, TrialPruned
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from harness.errors import BenchError
from harness.experiments.execute import carry_out
from harness.experiments.first_mask import maker_spec
from harness.experiments.study import queue
from harness.experiments.study.job import ResolvedStudy, StudyJob, suggest
from harness.experiments.study.samplers import build
from harness.experiments.study.storage import exclusive, open_storage, open_study, storage_error
from harness.experiments.study.watch import Heartbeat, PruningWatch
from harness.store.claim import hold
from harness.store.runs import Run, RunSpec

Tell = Callable[[str], None]
POLL_S = 1.0


class Worker:
    """Works on one study in this process.

    Args:
        job, resolved: the study and its data.
        tell: receives one line per trial.
        progress: show bars (one worker alone).
        parent: process id of whoever started this worker; when it is gone the worker ends after its trial.
    """

    def __init__(
        self, job: StudyJob, resolved: ResolvedStudy, *, tell: Tell, progress: bool = True, parent: int | None = None
    ) -> None:
        self.job, self.resolved, self.tell = job, resolved, tell
        self.progress, self.parent = progress, parent
        self.storage: BaseStorage = open_storage(job.place)
        self.study: optuna.Study = open_study(job.place, self.storage, job.name)
        self.study.pruner = build("pruners", resolved.definition.pruner or {"type": "NopPruner"})

    def run(self) -> None:
        """Work until nothing waits and nobody else has a trial in hand.

        Raises:
            KeyboardInterrupt: Ctrl-C; the trial in hand is queued again and its run resumes from its checkpoint.
            BenchError: the storage no longer answers; what is trained is kept.
        """
        try:
            self._work()
        except (SQLAlchemyError, StorageInternalError) as error:
            raise storage_error(self.job.place, error) from error

    def _work(self) -> None:
        self.prepare()
        while self.parent is None or os.getppid() == self.parent:
            trial = self._next()
            if trial is not None:
                self._attend(trial)
            elif self._others():
                time.sleep(POLL_S)
            else:
                return

    def prepare(self) -> int:
        """Check that the stored study is this one and queue what is missing; returns how many were queued."""
        resolved = self.resolved
        with self._exclusive():
            queue.bind(self.study, resolved.identity)
            if resolved.definition.kind == "tpe":
                return 0
            return queue.enqueue(
                self.study,
                resolved.definition,
                resolved.cells,
                done=resolved.done,
                retry_failed=self.job.retry_failed,
            )

    def _next(self) -> Trial | None:
        definition = self.resolved.definition
        with self._exclusive():
            lost = queue.take_up_lost(self.study, self.storage)
            if lost:
                self.tell(f"{lost} trial(s) of a worker that is gone: taken up again")
            if definition.kind != "tpe":
                return queue.claim(self.study, self.storage)
            options = dict(definition.sampler or {"type": "TPESampler"})
            options["seed"] = options.get("seed", 0) + len(self.study.get_trials(deepcopy=False))
            self.study.sampler = build("samplers", options)
            trial = queue.propose(self.study, self.storage, definition.budget)
            if trial is not None:
                suggest(definition, trial)
            return trial

    def _others(self) -> bool:
        return bool(self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)))

    def _exclusive(self) -> contextlib.AbstractContextManager[None]:
        return exclusive(self.job.place, self.storage, self.job.name)

    def _attend(self, trial: Trial) -> None:
        """One trial from claim to its told end."""
        try:
            with Heartbeat(self.storage, trial, self.job.place.heartbeat_s):
                score = self._train(trial)
        except TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            self.tell(f"trial {trial.number}: stopped early ({_title(trial)})")
        except KeyboardInterrupt:
            with self._exclusive():
                queue.give_back(self.study, trial)
            raise
        except Exception as error:
            trial.set_user_attr("reason", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
            self.tell(f"trial {trial.number}: failed ({_title(trial)}): {error}")
        else:
            self.study.tell(trial, score)
            self.tell(f"trial {trial.number}: validation Dice {score:.4f} ({_title(trial)})")

    def _train(self, trial: Trial) -> float:
        """Bring the trial's run to its end; returns its validation Dice.

        Two trials (or another command) may ask for one run: the second waits and finds it finished.
        """
        run = self._run_of(trial)
        trial.set_user_attr("run", run.name)
        self.maker = self._make_first_masks(run.spec)
        with hold(run, finished_too=True, wait=True):
            if run.status != "finished":
                self.tell(f"trial {trial.number}: {'resume' if run.status == 'interrupted' else 'start'} {run.name}")
                self._execute(run, trial)
        return validation_dice(run)

    def _make_first_masks(self, spec: RunSpec) -> Run | None:
        needed = maker_spec(spec)
        if needed is None:
            return None
        maker = self.resolved.store.open(needed)
        with hold(maker, finished_too=True, wait=True):
            if maker.record["status"] != "finished":
                self._carry_out(maker)
        return maker

    def _run_of(self, trial: Trial) -> Run:
        definition = self.resolved.definition
        if definition.kind == "tpe":
            seed = definition.seeds[0]
            trial.set_user_attr("seed", seed)
            return self.resolved.store.open(self.resolved.spec(suggest(definition, trial), seed))
        key = trial.user_attrs["cell"]
        cell = next(cell for cell in self.resolved.cells if cell.key == key)
        return self.resolved.run(cell, trial.user_attrs["seed"])

    def _carry_out(self, run: Run, maker: Run | None = None) -> None:
        plan = self.resolved.plan
        carry_out(run, plan.cache, maker=maker, vis_backends=plan.vis_backends, progress=self.progress)

    def _execute(self, run: Run, trial: Trial) -> None:
        watch = PruningWatch(trial, run.path / "log.jsonl")
        try:
            if self.resolved.definition.pruner:
                with watch:
                    self._carry_out(run, self.maker)
            else:
                self._carry_out(run, self.maker)
        except KeyboardInterrupt:
            if not watch.pruned:
                raise
            if run.status != "finished":  # else the pruner's word came when all was done
                run.stop("interrupted", "stopped early by the study's pruner")
            raise TrialPruned from None


def validation_dice(run: Run) -> float:
    """The objective: Dice on the validation split of the checkpoint that it selected.

    Raises:
        BenchError: no validation case could be scored.
    """
    score = run.record["results"].get("validation_dice")
    if score is None:
        raise BenchError(f"The run {run.name} has no validation Dice: no validation case could be scored.")
    return float(score)


def _title(trial: Trial) -> str:
    drawn = ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in trial.params.items()
    )
    return f"{trial.user_attrs.get('cell') or drawn}, seed {trial.user_attrs.get('seed', 0)}"
