"""The registry of per-case metrics: functions of (prediction, reference, spacing) that return named numbers.

A metric function takes two masks [H, W] and the pixel size (row, column) and returns ``{name: value}``. Names of
distances end with ``_{unit}``, which the evaluator replaces by ``mm`` or ``px``. A third party registers one with
``@METRICS.register_module()`` and names it in ``evaluate(metrics=...)``; it must be importable by worker processes.
"""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from harness.errors import unknown
from harness.evaluation import percase
from harness.evaluation.surface import Spacing
from harness.registry import METRICS, registered_by

MetricFunction = Callable[[ArrayLike, ArrayLike, Spacing], dict[str, float]]

DEFAULT_METRICS = ("overlap", "surface")

# Registered here and defined in percase: worker processes import only the latter, without torch.
for _function in (percase.overlap, percase.surface, percase.dice_rowwise, percase.hd95_pooled):
    METRICS.register_module(name=_function.__name__, module=_function, force=True)


def list_metrics() -> list[str]:
    """Names of all registered per-case metrics of this harness."""
    return sorted(METRICS.module_dict)


def metric_functions(names: tuple[str, ...]) -> tuple[MetricFunction, ...]:
    """The registered functions of these names; a path (``my_metric.py``) stands for every function that its file registers.

    Raises:
        ConfigError: a name is not registered (with the nearest valid one), no such file, or one that registers nothing.
    """
    return tuple(function for name in names for function in _functions(name))


def _functions(name: str) -> list[MetricFunction]:
    if not name.endswith(".py"):
        if name not in METRICS.module_dict:
            raise unknown("metric", name, list_metrics())
        return [METRICS.module_dict[name]]
    return list(registered_by(METRICS, name, "metric").values())
