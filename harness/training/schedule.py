"""The learning rate as a function of the iteration alone, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.training.recipe import ScheduleSpec


def learning_rate_factor(schedule: ScheduleSpec, iteration: int, iterations: int) -> float:
    """Factor of the learning rate in ``iteration`` (0-based) of ``iterations``.

    The warm-up multiplies the shape of the decay by ``(iteration + 1) / (warmup + 1)`` until it reaches 1;
    ``linear`` and ``cosine`` go from 1 to ``final``.
    """
    # (k + 1) and not k: the first step would have a rate of zero and do nothing.
    warm = min(1.0, (iteration + 1) / (schedule.warmup + 1))
    return warm * SHAPES[schedule.type](schedule, iteration / iterations, iteration)


def _linear(schedule: ScheduleSpec, done: float, iteration: int) -> float:
    return 1 - (1 - schedule.final) * done


def _cosine(schedule: ScheduleSpec, done: float, iteration: int) -> float:
    # Loshchilov and Hutter 2017, eq. 5, one period without restart.
    return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * done))


def _step(schedule: ScheduleSpec, done: float, iteration: int) -> float:
    return schedule.gamma ** sum(iteration >= milestone for milestone in schedule.milestones)


def _constant(schedule: ScheduleSpec, done: float, iteration: int) -> float:
    return 1.0


SHAPES: dict[str, Callable[[ScheduleSpec, float, int], float]] = {
    "linear": _linear,
    "cosine": _cosine,
    "step": _step,
    "constant": _constant,
}
