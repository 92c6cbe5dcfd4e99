"""The average's count of updates is never asked of the device."""

from __future__ import annotations

from torch import nn

from harness.training.averaging import build_average


def test_updates_are_counted_without_reading_from_the_device() -> None:
    # A tensor of the device "meta" has no value: reading it, as a copy of the count would be read, is an error.
    model = nn.Linear(2, 2).to("meta")
    average = build_average(model, 0.9)
    for _ in range(3):
        average.update_parameters(model)
    assert int(average.n_averaged) == 3


def test_the_decay_grows_from_the_first_updates_on() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = build_average(model, 0.9)
    expected = None
    for update, value in enumerate((1.0, 2.0, 4.0)):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        decay = min(0.9, (1 + update) / (10 + update))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert abs(float(average.module.weight) - expected) < 1e-6
