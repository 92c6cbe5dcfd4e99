"""Build one of Optuna's samplers or pruners from the name and options that a study's file gives."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import optuna

from harness.errors import ConfigError, unknown


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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
