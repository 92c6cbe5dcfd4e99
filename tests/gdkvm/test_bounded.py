"""The default never diverges: states and logits stay bounded over many random frames."""

from __future__ import annotations

import pytest
import torch
from test_model import TINY

from gdkvm.memory import memory_key
from gdkvm.model import GDKVM
from gdkvm.rules import GatedRule, ReleasedRule


@pytest.mark.parametrize("seed", range(20))
def test_a_thousand_steps_of_the_published_widths_keep_the_state_bounded(seed: int) -> None:
    torch.manual_seed(seed)
    rule = GatedRule(256).eval()
    norms, largest_value = [], 0.0
    with torch.no_grad():
        state = None
        for _ in range(1000):
            key = memory_key(2 * torch.randn(1, 64, 4, 4), "bound")
            value = 5 * torch.randn(1, 1, 256, 16)
            largest_value = max(largest_value, float(value.norm()))
            state = rule.begin(key, value, value) if state is None else rule(state, key, value, value)
            norms.append(float(state.norm()))
    assert torch.isfinite(torch.tensor(norms)).all()
    assert max(norms[500:]) <= 1.5 * max(norms[:500])
    assert max(norms) <= 3 * largest_value


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "seed"), [("fp32", 0), ("bf16", 7)])
def test_a_thousand_random_frames_leave_the_default_model_finite(precision: str, seed: int) -> None:
    torch.manual_seed(seed)
    model = GDKVM(**TINY).eval()
    frame = torch.rand(1, 1, 16, 16)
    norms = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        stream = model.begin(frame)
        for _ in range(1000):
            logits, stream = model.step(torch.rand(1, 1, 16, 16), stream)
            norms.append(float(stream.memory.state.norm()))
            assert torch.isfinite(logits).all()
    assert max(norms[500:]) <= 2 * max(norms[:500])
    assert stream.memory.state.dtype == torch.float32


def test_the_released_arithmetic_with_unscaled_keys_diverges_where_the_default_does_not() -> None:
    torch.manual_seed(0)
    largest = {}
    for rule, scale in ((GatedRule(256), "bound"), (ReleasedRule(256), "none")):
        state, norms = None, []
        with torch.no_grad():
            for _ in range(20):
                key = memory_key(2 * torch.randn(1, 64, 16, 16), scale)
                value = 5 * torch.randn(1, 1, 256, 256)
                state = rule.begin(key, value, value) if state is None else rule(state, key, value, value)
                norms.append(float(state.norm()))
        largest[scale] = norms[-1]
    assert largest["bound"] < 1e4
    assert not largest["none"] < 1e6
