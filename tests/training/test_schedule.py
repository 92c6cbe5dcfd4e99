"""The learning rate is a closed form of the iteration."""

from __future__ import annotations

import pytest
import torch

from harness.training.recipe import ScheduleSpec
from harness.training.schedule import learning_rate_factor


def curve(schedule: ScheduleSpec, iterations: int) -> list[float]:
    return [learning_rate_factor(schedule, k, iterations) for k in range(iterations)]


def of_torch(scheduler: type, iterations: int, **options: float | list[int]) -> list[float]:
    """The same curve from torch's own stateful scheduler."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    stateful = scheduler(optimizer, **options)
    rates = []
    for _ in range(iterations):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        stateful.step()
    return rates


def test_linear_equals_torchs_linear_scheduler() -> None:
    expected = of_torch(torch.optim.lr_scheduler.LinearLR, 20, start_factor=1.0, end_factor=0.1, total_iters=20)
    assert curve(ScheduleSpec(type="linear", final=0.1), 20) == pytest.approx(expected)


def test_cosine_equals_torchs_cosine_scheduler() -> None:
    expected = of_torch(torch.optim.lr_scheduler.CosineAnnealingLR, 20, T_max=20, eta_min=0.05)
    assert curve(ScheduleSpec(type="cosine", final=0.05), 20) == pytest.approx(expected)


def test_step_equals_torchs_step_scheduler() -> None:
    expected = of_torch(torch.optim.lr_scheduler.MultiStepLR, 20, milestones=[5, 12], gamma=0.1)
    assert curve(ScheduleSpec(type="step", milestones=(5, 12)), 20) == pytest.approx(expected)


def test_warm_up_rises_in_equal_steps_and_then_leaves_the_shape_alone() -> None:
    rates = curve(ScheduleSpec(type="constant", warmup=4), 8)
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])
