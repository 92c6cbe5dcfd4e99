"""What this machine and today's code add to a spec, so that its identity says what really made a run's numbers."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

from harness.registry import MODELS, TRANSFORMS, load_plugins
from harness.store.code import code_hash
from harness.store.spec import RunSpec
from harness.training import Recipe
from harness.training.device import resolve_device, resolve_precision
from harness.training.loaders import augmentation

MEASURED_BY = ("harness.training.engine", "harness.evaluation.evaluator", "harness.evaluation.metrics")
"""Roots of the code that every run goes through: losses, sampling, optimisation, selection, predictions, metrics."""


def complete(spec: RunSpec) -> RunSpec:
    """The spec with its device class, its precision as it is resolved here, and the hash of today's code.

    Raises:
        ConfigError: CUDA is asked for and absent.
    """
    recipe = Recipe.from_dict(spec.recipe)
    device = resolve_device(recipe.device)
    return dataclasses.replace(
        spec,
        device=device.type,
        # "auto" is bf16 on one machine and fp32 on another: what was computed belongs to the run.
        precision=resolve_precision(recipe.precision, device),
        code=code_hash(code_roots(spec)),
    )


def code_roots(spec: RunSpec) -> list[str]:
    """Root modules of a spec's code, for ``code_hash``: of every registered class that its configs name."""
    # A worker that is handed a spec has imported no model yet: its module would be left out, and the run would look like other code.
    load_plugins()
    recipe = Recipe.from_dict(spec.recipe)
    roots = {*MEASURED_BY, *recipe.custom_imports, *(_module(MODELS.get(name)) for name in _types(spec.model["build"]))}
    if "first_mask" in spec.protocol:
        roots |= {_module(MODELS.get(name)) for name in _types(spec.protocol["first_mask"]["build"])}
    for name in _types(augmentation(recipe.augment)):
        roots.add(_module(TRANSFORMS.get(name)))
    # Perturbations of an augmentation are looked up by name in their whole room.
    if any(root.startswith("harness.perturbations") for root in roots):
        roots.add("harness.perturbations")
    return sorted(roots - {""})


def _types(config: Any) -> Iterator[str]:
    """Every ``type`` in a nested config."""
    if isinstance(config, dict):
        if isinstance(config.get("type"), str):
            yield config["type"]
        for value in config.values():
            yield from _types(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _types(value)


def _module(registered: Any) -> str:
    """Where a registered class was written: its module's name, the path of a user's file, empty for none."""
    name: str = getattr(registered, "__module__", "") or ""
    # A user's module has an invented name; its file is what its source is read from.
    return str(sys.modules[name].__file__) if name.startswith("echobench_user_") else name
