"""The default never diverges: states and logits stay bounded over many random frames.

Here at the published layout of the state (64 x 256, 8 gate heads) with narrow trunks; ``benchmarks/stability.py`` does
the same with the whole reference network, twenty initialisations and both precisions.

What holds: the norm stays within a few times that of one frame's values, and grows at most by diffusion, i.e. with the
square root of time. Rows whose gates close (alpha near 1, beta near 0) neither decay nor are erased, so a constant
bound independent of the stream does not exist; in 20,000 steps the largest norm seen was eight times a frame's values.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gdkvm.memory import memory_key
from gdkvm.model import GDKVM
from gdkvm.rules import GatedRule, ReleasedRule

NARROW = dict(
    image_depth=18, image_width=8, value_depth=18, value_width=8, queries=4, blocks=1, attention_heads=2,
    feed_width=32, decoder_widths=(16, 16),
)  # fmt: skip
"""All that does not shape the state is small; width 256, key width 64 and 8 heads are the defaults."""
FRAMES = 1000
SEEDS = 20
DIFFUSION = 1.6
"""Largest norm of the second half over that of the first: √2 for diffusion and a margin for chance; 2 is linear growth."""


def autocast(precision: str) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def seen_by(model: GDKVM, frames: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keys [n, 64, P], values [n, 1, 256, P] and pixel features of frames as this model makes them, in float32."""
    features = model.encode(frames)
    values = model.value_encoder(features.image, masks, torch.zeros_like(masks), features.for_value)
    return features.key, values.float().flatten(2).unsqueeze(1), features.pixel.float()


class Together:
    """Many rules as one, each with weights of its own: tensors have the rules as their first dimension."""

    def __init__(self, rules: list[nn.Module]) -> None:
        self.rules, self.weights = rules, torch.func.stack_module_state(rules)
        self._step = torch.vmap(lambda weights, *seen: torch.func.functional_call(rules[0], weights, seen))

    def begin(self, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        return torch.stack([rule.begin(*seen) for rule, *seen in zip(self.rules, key, value, pixel, strict=True)])

    def __call__(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        return self._step(self.weights, state, key, value, pixel)


def features_of_a_network(seed: int) -> tuple[nn.Module, tuple[Tensor, Tensor, Tensor], list[int]]:
    """A network's rule; keys, values and pixel features [8, 2, ...] of frames in float32 and in bf16; an order of frames."""
    torch.manual_seed(seed)
    model = GDKVM(**NARROW).eval()
    frames, masks = torch.rand(8, 1, 64, 64), torch.rand(8, 1, 64, 64)
    both = []
    for precision in ("fp32", "bf16"):
        with autocast(precision):
            both.append(seen_by(model, frames, masks))
    # two streams side by side: what the network makes of the frames in float32, and in bf16
    keys, values, pixels = (torch.stack(parts, 1) for parts in zip(*both, strict=True))
    return model.rule, (keys, values, pixels), torch.randint(0, len(frames), (FRAMES,)).tolist()


def test_a_thousand_frames_of_twenty_initialisations_keep_their_states_bounded_in_both_precisions() -> None:
    with torch.no_grad():
        rules, features, orders = zip(*map(features_of_a_network, range(SEEDS)), strict=True)
        together = Together(list(rules))
        state, norms = None, []
        for frame in zip(*orders, strict=True):
            seen = [torch.stack([parts[k][i] for parts, i in zip(features, frame, strict=True)]) for k in range(3)]
            state = together.begin(*seen) if state is None else together(state, *seen)
            norms.append(state.flatten(2).norm(dim=2))
    assert state is not None
    assert state.shape == (SEEDS, 2, 1, 64, 256)
    assert state.dtype == torch.float32
    course = torch.stack(norms)
    assert course.isfinite().all()
    assert (course[500:].amax(0) <= DIFFUSION * course[:500].amax(0)).all()
    largest = torch.stack([values.flatten(2).norm(dim=2).amax(0) for _, values, _ in features])
    assert (course.amax(0) <= 8 * largest).all()


def test_a_thousand_steps_on_wild_keys_and_values_keep_the_states_bounded() -> None:
    torch.manual_seed(0)
    together = Together([GatedRule(256).eval() for _ in range(SEEDS)])
    norms, largest_value = [], torch.zeros(SEEDS)
    with torch.no_grad():
        state = None
        for _ in range(FRAMES):
            key = memory_key(2 * torch.randn(SEEDS, 64, 4, 4), "bound").unsqueeze(1)
            value = 5 * torch.randn(SEEDS, 1, 1, 256, 16)
            largest_value = largest_value.maximum(value.flatten(1).norm(dim=1))
            seen = (key, value, value)
            state = together.begin(*seen) if state is None else together(state, *seen)
            norms.append(state.flatten(1).norm(dim=1))
    course = torch.stack(norms)
    assert course.isfinite().all()
    assert (course[500:].amax(0) <= 1.5 * course[:500].amax(0)).all()
    assert (course.amax(0) <= 3 * largest_value).all()


@pytest.mark.parametrize(("precision", "seed"), [("fp32", 0), ("bf16", 7)])
def test_many_random_frames_leave_the_whole_model_finite(precision: str, seed: int) -> None:
    torch.manual_seed(seed)
    model = GDKVM(**NARROW).eval()
    norms, finite = [], True
    with torch.inference_mode(), autocast(precision):
        stream = model.begin(torch.rand(1, 1, 32, 32))
        for _ in range(120):
            logits, stream = model.step(torch.rand(1, 1, 32, 32), stream)
            norms.append(float(stream.memory.state.norm()))
            finite &= bool(logits.isfinite().all())
    assert finite
    assert max(norms[60:]) <= DIFFUSION * max(norms[:60])
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
