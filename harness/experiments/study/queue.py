"""The queue of a study: cells are put in once, a worker takes one out for itself, lost ones go back in."""

from __future__ import annotations

import contextlib
import os
import platform
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harness.errors import ConfigError
from harness.experiments.study.storage import MAX_RETRY
from harness.statistics.matching import MOOT
from harness.store.formats.study import Cell, StudyDefinition

ORIGINAL = "failed_trial"
"""System attribute of a trial that repeats another one (the name is Optuna's)."""


def bind(study: optuna.Study, definition: str) -> None:
    """Tie a stored study to the hash of what it varies; call it under the study's lock.

    Raises:
        ConfigError: the stored study was made from something else.
    """
    known = study.user_attrs.get("definition")
    if known is None:
        study.set_user_attr("definition", definition)
    elif known != definition:
        raise ConfigError(
            f"The stored study '{study.study_name}' was made from other factors, data or recipe; give this one a name "
            "of its own with --study-name, or remove the stored one."
        )


def enqueue(
    study: optuna.Study,
    definition: StudyDefinition,
    cells: Iterable[Cell],
    *,
    done: Callable[[Cell, int], bool],
    retry_failed: bool = False,
) -> int:
    """Queue every cell and seed that has no trial yet; call it under the study's lock.

    Args:
        study: the stored study.
        definition: its factors and seeds.
        cells: the variants.
        done: whether the run of a cell and seed is finished; a completed trial without its run is queued again.
        retry_failed: queue also those whose run failed.

    Returns:
        How many were queued.
    """
    states: dict[tuple[str, int], set[TrialState]] = {}
    for trial in study.get_trials(deepcopy=False):
        states.setdefault((trial.user_attrs["cell"], trial.user_attrs["seed"]), set()).add(trial.state)
    queued = 0
    for seed in definition.seeds:
        for cell in cells:
            if _open(states.get((cell.key, seed), set()), retry_failed, lambda c=cell, s=seed: done(c, s)):  # type: ignore[misc]
                study.add_trial(waiting_trial(definition, cell, seed))
                queued += 1
    return queued


def _open(states: set[TrialState], retry_failed: bool, done: Callable[[], bool]) -> bool:
    if states & {TrialState.WAITING, TrialState.RUNNING}:
        return False
    if TrialState.COMPLETE in states:
        return not done()
    return retry_failed or not states


def waiting_trial(definition: StudyDefinition, cell: Cell, seed: int) -> FrozenTrial:
    """A queued trial: the levels as categorical parameters, the seed (no factor) as an attribute."""
    distributions = {
        factor.name: CategoricalDistribution([*factor.levels, MOOT] if definition.moot else list(factor.levels))
        for factor in definition.factors
    }
    return create_trial(
        state=TrialState.WAITING,
        params=dict(cell.levels),
        distributions=dict(distributions),
        user_attrs={"cell": cell.key, "seed": seed},
    )


def claim(study: optuna.Study, storage: BaseStorage) -> Trial | None:
    """Take the first waiting trial, marked with this process; None when none waits. Call it under the study's lock.

    ``Study.ask`` would invent a trial where the queue is empty, so the state is set here, as ``ask`` does it.
    """
    for waiting in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        if storage.set_trial_state_values(waiting._trial_id, state=TrialState.RUNNING):
            return sign(Trial(study, waiting._trial_id))
    return None


def propose(study: optuna.Study, storage: BaseStorage, budget: int) -> Trial | None:
    """Like ``claim``, and a new trial of the sampler while the study has fewer than ``budget``."""
    trial = claim(study, storage)
    if trial is not None:
        return trial
    trials = study.get_trials(deepcopy=False)
    if sum(ORIGINAL not in one.system_attrs for one in trials) >= budget:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "use Study.optimize with heartbeats": the worker sends its own
        return sign(study.ask())


def sign(trial: Trial) -> Trial:
    """Note which process works on a trial."""
    trial.set_user_attr("worker", {"pid": os.getpid(), "host": platform.node()})
    return trial


def take_up_lost(study: optuna.Study, storage: BaseStorage) -> int:
    """Queue the trials of dead workers again, at most ``MAX_RETRY`` times each; call it under the study's lock.

    Dead is who gave no sign of life for the grace period (RDB storages), or whose process on this host is gone.

    Returns:
        How many trials were queued again.
    """
    before = len(study.get_trials(deepcopy=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
        again = RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRY)
    for trial in _running(study):
        if gone(trial.user_attrs.get("worker")):
            with contextlib.suppress(UpdateFinishedTrialError):
                storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
                again(study, trial)
    return len(study.get_trials(deepcopy=False)) - before


def give_back(study: optuna.Study, trial: Trial) -> None:
    """Queue an interrupted trial again (Ctrl-C): it does not count as an attempt."""
    frozen = study.get_trials(deepcopy=False)[trial.number]
    study.tell(trial, state=TrialState.FAIL)
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            params=frozen.params,
            distributions=frozen.distributions,
            user_attrs=frozen.user_attrs,
            system_attrs={ORIGINAL: trial.number, **frozen.system_attrs},
        )
    )


def _running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def gone(worker: Mapping[str, Any] | None) -> bool:
    """Whether a process (``pid``, ``host``) of this host no longer works; one on another host counts as alive.

    A killed process whose parent has not yet noticed (a zombie) is gone. None (a trial left between two steps of a
    claim) is gone too.
    """
    if worker is None:
        return True
    if worker["host"] != platform.node():
        return False
    try:
        os.kill(worker["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _zombie(worker["pid"])


def _zombie(pid: int) -> bool:
    """Whether the process table of Linux says so; False where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
