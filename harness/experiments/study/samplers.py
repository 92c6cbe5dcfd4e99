"""Build one of Optuna's samplers or pruners from the name and options that a study's file gives."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harness.errors import ConfigError, unknown

ENUMERATING = ("GridSampler", "BruteForceSampler")
"""Samplers that take what the storage says is left: their seed shuffles the list, which must be the same for every trial."""


def build(kind: str, options: dict[str, Any]) -> Any:
    """An Optuna sampler or pruner from ``dict(type="TPESampler", ...)``; ``kind`` is ``samplers`` or ``pruners``.

    Raises:
        ConfigError: no such class, or arguments that it does not take.
    """
    module = getattr(optuna, kind)
    options = dict(options)
    name = options.pop("type")
    if name not in module.__all__:
        raise unknown(kind[:-1], name, module.__all__, "the study")
    try:
        with _quiet():
            return getattr(module, name)(**options)
    except TypeError as error:
        raise ConfigError(f"The {kind[:-1]} {name} of the study cannot be made: {error}.") from error


class SeededByTrial(BaseSampler):
    """One of Optuna's samplers, with a seed of its own for each trial: the study's seed plus the trial's number.

    Optuna gives the number when the trial begins, so that two processes which ask at the same moment never draw the same
    point, while a search by one process can be repeated to the digit.

    Args:
        options: ``dict(type=..., seed=..., ...)`` of the study's file.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options, self._sampler = options, build("samplers", options)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the trial's own sampler."""
        # Two processes with one seed would propose the same points: the trial's number keeps them apart.
        if self._options["type"] not in ENUMERATING:
            self._sampler = build("samplers", {**self._options, "seed": self._options.get("seed", 0) + trial.number})
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the sampler inside."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler inside."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler inside."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the sampler inside: a grid ends its study here."""
        self._sampler.after_trial(study, trial, state, values)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
