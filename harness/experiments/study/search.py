"""A search: Optuna's sampler proposes, its storage remembers, its pruner stops; each trial is a run of the store."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError, TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from harness.errors import BenchError, ConfigError
from harness.experiments.execute import carry_out
from harness.experiments.study.job import ResolvedStudy, StudyJob, suggest
from harness.experiments.study.samplers import SeededByTrial, build
from harness.experiments.study.storage import open_storage, open_study, storage_error
from harness.experiments.worklist import tasks_of
from harness.jobs import orphaned
from harness.store.claim import hold
from harness.store.lease import LeaseLostError
from harness.store.runs import Run, RunSpec
from harness.training import Watcher

POLL_S = 1.0
REASON = "reason"
"""Attribute of a trial that failed for good; one without it was interrupted, or its process died."""


class Search:
    """Works on a search in this process; others may work on the same stored study.

    Args:
        job, resolved: the study and its data.
        tell: receives one line per trial.
        progress: show bars (one process alone).
    """

    def __init__(
        self, job: StudyJob, resolved: ResolvedStudy, *, tell: Callable[[str], None], progress: bool = True
    ) -> None:
        self.job, self.resolved, self.tell, self.progress = job, resolved, tell, progress
        self.study = open_study(job.storage, open_storage(job.storage), job.name)
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # a failed trial is told in one line, not with a traceback
        # Samplers live in the process and not in the storage, so every worker sets its own.
        self.study.sampler = SeededByTrial(resolved.definition.sampler or {"type": "TPESampler"})
        self.study.pruner = build("pruners", resolved.definition.pruner or {"type": "NopPruner"})

    def run(self) -> None:
        """Until the budget is used up and no other process has a trial in hand.

        Optuna's own ``optimize`` gives the signs of life, takes up trials of processes that died, and tells outcomes.

        Raises:
            KeyboardInterrupt: Ctrl-C; the point in hand is proposed again, and its run resumes from its checkpoint.
            BenchError: the storage no longer answers (what is trained is kept), or the study is another one.
        """
        try:
            bind(self.study, self.resolved.identity)
            while not orphaned():
                if self._due():
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", ExperimentalWarning)
                        self.study.optimize(self._objective, n_trials=1, catch=(Exception,))
                elif self._others():
                    time.sleep(POLL_S)
                else:
                    return
        except (SQLAlchemyError, StorageInternalError) as error:
            raise storage_error(self.job.storage, error) from error

    def _due(self) -> bool:
        """Whether a point waits, or the budget holds another one.

        Two processes that ask at the same moment may both be told so: a search of N processes may end with up to N - 1
        trials more than its budget, which costs less than a lock on the storage for each of them.
        """
        trials = self.study.get_trials(deepcopy=False)
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return waiting or sum(map(_counts, trials)) < self.resolved.definition.budget

    def _others(self) -> bool:
        """Whether other processes have trials in hand whose end can be told (a journal file knows no signs of life)."""
        if self.job.storage.url.startswith("journal:"):
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            # Whoever looks first frees the points of processes that died; Optuna itself does so only when a new trial
            # begins.
            optuna.storages.fail_stale_trials(self.study)
        return bool(self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)))

    def _objective(self, trial: Trial) -> float:
        """Train one point; its validation Dice."""
        definition = self.resolved.definition
        spec = self.resolved.spec(suggest(definition, trial), definition.seeds[0])
        run = self.resolved.store.open(spec)
        trial.set_user_attr("seed", spec.seed)
        trial.set_user_attr("run", run.name)
        title = f"trial {trial.number} ({_point(trial)})"
        try:
            self._bring_to_end(run, spec, trial, title)
            score = validation_dice(run)
        except TrialPruned:
            self.tell(f"{title}: stopped early")
            raise
        except (KeyboardInterrupt, LeaseLostError):
            # Proposed again as the same point: its run lies in the store with a checkpoint, and goes on from there.
            self.study.enqueue_trial(trial.params, user_attrs={"again": trial.number})
            raise
        except Exception as error:
            trial.set_user_attr(REASON, str(error))
            self.tell(f"{title}: failed: {error}")
            raise
        self.tell(f"{title}: validation Dice {score:.4f}")
        return score

    def _bring_to_end(self, run: Run, spec: RunSpec, trial: Trial, title: str) -> None:
        """Finish the makers of its first masks, then the run itself; what others work on is waited for."""
        for task in tasks_of(self.resolved.store, [spec]):
            # A maker of first masks is not the point that is judged, and is never stopped early.
            watchers = [PruningWatcher(trial)] if task.run.name == run.name and self.resolved.definition.pruner else []
            # Finished ones too: the point may be a run that a suite has trained, and is then taken as it is.
            with hold(task.run, finished_too=True, wait=True):
                if task.run.record["status"] != "finished":
                    self.tell(f"{title}: {task.run.record['status']} {task.run.name}")
                    self._train(task.run, task.maker, watchers)
        run.read()

    def _train(self, run: Run, maker: Run | None, watchers: list[PruningWatcher]) -> None:
        plan = self.resolved.plan
        try:
            carry_out(
                run, plan.cache, maker=maker, vis_backends=plan.vis_backends, watchers=watchers, progress=self.progress
            )
        except KeyboardInterrupt:
            if not any(watcher.pruned for watcher in watchers):
                raise
            run.stop("interrupted", "stopped early by the study's pruner")
            raise TrialPruned from None


class PruningWatcher(Watcher):
    """Hands each validation to Optuna, and stops the training where the pruner says so.

    It stops as by Ctrl-C, at the next safe moment and with a checkpoint; ``pruned`` tells that from a user's.
    """

    priority = "LOW"

    def __init__(self, trial: Trial) -> None:
        self.trial, self.pruned = trial, False

    def after_validation(self, runner: Any, scores: Mapping[str, float]) -> None:
        """Report a validation's score at its iteration; NaN (nothing could be scored) is no report."""
        score = scores.get("score", float("nan"))
        # NaN would count as the worst trial there is, although it only says that nothing was measured.
        if score == score:
            self.trial.report(score, runner.state.iteration)
            if self.trial.should_prune():
                self.pruned = runner.interrupt.pending = True


def bind(study: optuna.Study, definition: str) -> None:
    """Tie a stored study to the hash of what it varies.

    Raises:
        ConfigError: the stored study was made from something else.
    """
    bound = study.user_attrs.get("definition")
    if bound is None:
        study.set_user_attr("definition", definition)
    elif bound != definition:
        raise ConfigError(
            f"The stored study '{study.study_name}' was made from another space, data, recipe or code; give this one a "
            "name of its own with --study-name, or remove the stored one."
        )


def validation_dice(run: Run) -> float:
    """The objective: Dice on the validation split of the checkpoint that it selected.

    Raises:
        BenchError: no validation case could be scored.
    """
    score = (run.record.get("results") or {}).get("validation_dice")
    if score is None:
        raise BenchError(f"The run {run.name} has no validation Dice: no validation case could be scored.")
    return float(score)


def _counts(trial: FrozenTrial) -> bool:
    """Whether a trial uses up a part of the budget: all but those that were interrupted or whose process died."""
    return trial.state != TrialState.FAIL or REASON in trial.user_attrs


def _point(trial: Trial) -> str:
    drawn = trial.params.items()
    return ", ".join(f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}" for key, value in drawn)
