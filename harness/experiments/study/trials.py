"""A factorial study as Optuna sees it: its trials are written from its runs, for plots and optuna-dashboard."""

from __future__ import annotations

import contextlib
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.experiments.study.job import ResolvedStudy
from harness.experiments.study.storage import StorageAddress, exclusive, open_storage
from harness.store.formats.study import MOOT, Cell, StudyDefinition
from harness.store.runs import Run

_STATES = {"finished": TrialState.COMPLETE, "failed": TrialState.FAIL, "running": TrialState.RUNNING}


def study_of(resolved: ResolvedStudy, name: str, where: StorageAddress | None = None) -> optuna.Study:
    """A study whose trials are the runs of a factorial study's cells, made afresh.

    The results store knows everything; what is stored here is a copy, so an older one of the same name is replaced.

    Args:
        resolved: the study.
        name: of the stored study.
        where: its storage; None keeps it in memory.
    """
    trials = [
        trial_of(resolved.definition, cell, seed, resolved.run(cell, seed))
        for seed in resolved.definition.seeds
        for cell in resolved.cells
    ]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None if where is None else open_storage(where)
    with contextlib.nullcontext() if where is None or storage is None else exclusive(where, storage, name):
        if storage is not None:
            # Written anew instead of updated: a trial that was changed by hand would else stay for ever.
            with contextlib.suppress(KeyError):
                optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(direction="maximize", study_name=name, storage=storage)
        study.add_trials(trials)
    return study


def trial_of(definition: StudyDefinition, cell: Cell, seed: int, run: Run) -> FrozenTrial:
    """One run as a trial: levels are categorical parameters, the value is the validation Dice.

    A run that is neither finished nor failed, and that nobody works on, is a waiting trial; a finished one without a
    validation Dice (no case could be scored) failed.
    """
    dice = (run.record.get("results") or {}).get("validation_dice")
    state = _STATES.get(run.status, TrialState.WAITING)
    if state == TrialState.COMPLETE and dice is None:
        state = TrialState.FAIL
    attributes: dict[str, Any] = {"cell": cell.key, "seed": seed, "run": run.name}
    if state == TrialState.FAIL:
        attributes["reason"] = run.record.get("reason") or "no validation case could be scored"
    return create_trial(
        state=state,
        value=dice if state == TrialState.COMPLETE else None,
        params=dict(cell.levels),
        distributions=_distributions(definition),
        user_attrs=attributes,
    )


def _distributions(definition: StudyDefinition) -> dict[str, BaseDistribution]:
    return {
        factor.name: CategoricalDistribution([*factor.levels, MOOT] if definition.moot else list(factor.levels))
        for factor in definition.factors
    }
