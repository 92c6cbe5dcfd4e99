"""Update rules: each against its naive float64 reference, gradcheck, and the published identity."""

from __future__ import annotations

from collections.abc import Callable

import naive_rules as naive
import pytest
import torch
from torch import Tensor

from gdkvm.extra_rules import LivosRule, OrthogonalRule, chunked_delta, newton_schulz
from gdkvm.memory import associate, gated_step, memory_key, spread, unit_key
from gdkvm.rule_registry import ALIASES, RULES, build_rule, list_rules
from gdkvm.rules import UpdateRule

CK, CV, PIXELS, HEADS = 6, 8, 5, 4


def inputs(batch: int = 2, objects: int = 2, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """State, key, value, pixel in float64."""
    g = torch.Generator().manual_seed(seed)
    state = torch.randn(batch, objects, CK, CV, generator=g, dtype=torch.float64)
    key = torch.randn(batch, CK, PIXELS, generator=g, dtype=torch.float64).softmax(1)
    value = torch.randn(batch, objects, CV, PIXELS, generator=g, dtype=torch.float64)
    return state, key, value, torch.randn(batch, CV, 1, PIXELS, generator=g, dtype=torch.float64)


def rule_of(name: str, seed: int = 0, gate_input: str = "state") -> UpdateRule:
    torch.manual_seed(seed)
    return build_rule(name, value_width=CV, heads=HEADS, gate_input=gate_input).double()


def naive_alpha(rule: UpdateRule, state: Tensor, released: bool) -> Tensor:
    gate = rule.decay_gate
    layout = "tiled" if released else "contiguous"
    heads = [c % HEADS if released else c * HEADS // CV for c in range(CV)]
    a = naive.naive_gates(state, gate.project.weight, layout)
    rate = torch.stack([gate.a_log[h].exp() for h in heads])
    bias = torch.stack([gate.dt_bias[h] for h in heads])
    decay = -rate * torch.log1p(torch.exp(a + bias))
    return decay if released else decay.exp()


def naive_beta(rule: UpdateRule, state: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-naive.naive_gates(state, rule.write_gate.project.weight, "contiguous")))


def reference(rule: UpdateRule, name: str, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
    """One batch item and object, by the naive functions; livos returns state and normaliser side by side."""
    one = torch.ones_like(state)
    source = state if rule.gate_input == "state" else naive.naive_write(key, value)
    if name == "sum":
        return naive.naive_sum(state, key, value)
    if name == "delta":
        return naive.naive_gated(state, key, value, one, naive_beta(rule, source))
    if name == "decay":
        return naive_alpha(rule, source, False) * state + naive.naive_write(key, value)
    if name in ("gated", "released"):
        alpha = naive_alpha(rule, source, name == "released")
        return naive.naive_gated(state, key, value, alpha, naive_beta(rule, source))
    if name == "token":
        blocks = []
        for head in range(HEADS):
            columns = slice(head * CV // HEADS, (head + 1) * CV // HEADS)
            raw = value.T @ rule.decay_gate.project.weight[head] + rule.decay_gate.dt_bias[head]
            decay = -rule.decay_gate.a_log[head].exp() * torch.log1p(raw.exp()) / PIXELS
            beta = torch.sigmoid(value.T @ rule.write_gate.weight[head])
            unit = key / key.norm(dim=0)
            blocks.append(naive.naive_token(state[:, columns], unit, value[columns], decay, beta))
        return torch.cat(blocks, 1)
    if name == "livos":
        gate = torch.sigmoid(rule.image_gate.weight @ pixel.flatten(1).mean(1) + rule.image_gate.bias)
        return torch.cat(naive.naive_livos(state, state * 0 + 2, key, value, gate), 1)
    delta = naive.naive_gated(state, key, value, one, naive_beta(rule, source))
    blocks = [naive.naive_orthogonal(block) for block in delta.chunk(HEADS, 1)]
    return torch.cat(blocks, 1)


@pytest.mark.parametrize("gate_input", ["state", "write"])
@pytest.mark.parametrize("name", list_rules())
def test_a_rule_equals_its_naive_reference(name: str, gate_input: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = rule_of(name, gate_input=gate_input)
    if name == "orthogonal":
        monkeypatch.setattr(type(rule), "steps", 60)
    state, key, value, pixel = inputs()
    given = torch.cat([state, torch.full_like(state, 2)], -1) if name == "livos" else state
    fast = rule(given, key, value, pixel)
    for b in range(2):
        for n in range(2):
            slow = reference(rule, name, state[b, n], key[b], value[b, n], pixel[b])
            torch.testing.assert_close(fast[b, n], slow, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", list_rules())
def test_the_gradient_of_a_rule_is_right(name: str) -> None:
    rule = rule_of(name)
    state, key, value, pixel = inputs(batch=1, objects=1, seed=3)
    if name == "livos":
        state = torch.cat([state, state.abs() + 1], -1)
    tensors = [x.requires_grad_() for x in (state, key, value, pixel)]

    def update_and_read(*args: Tensor) -> Tensor:
        return rule.read(rule(*args), args[1])

    assert torch.autograd.gradcheck(update_and_read, tensors)


@pytest.mark.parametrize("name", list_rules())
def test_reading_back_has_the_values_shape_and_the_state_a_constant_one(name: str) -> None:
    rule = rule_of(name)
    _, key, value, pixel = inputs()
    state = rule.begin(key, value, pixel)
    shape = state.shape
    for _ in range(4):
        state = rule(state, key, value, pixel)
        assert state.shape == shape
        assert rule.read(state, key).shape == value.shape


def test_scalar_gates_make_both_forms_of_the_gated_rule_equal() -> None:
    state, key, value, _ = inputs()
    alpha, beta = 0.83, 0.37
    k = key.unsqueeze(1)
    rewritten = alpha * state + beta * k @ (value.transpose(-1, -2) - alpha * k.transpose(-1, -2) @ state)
    torch.testing.assert_close(gated_step(state, key, value, alpha, beta), rewritten, rtol=0, atol=1e-13)


@pytest.mark.parametrize("chunk", [1, 3, 7, 16, 64])
def test_the_chunked_token_rule_equals_the_recurrence_to_1e_12(chunk: int) -> None:
    g = torch.Generator().manual_seed(1)
    tokens, width = 37, 4
    state = torch.randn(CK, width, generator=g, dtype=torch.float64)
    key = unit_key(torch.randn(1, CK, tokens, generator=g, dtype=torch.float64))[0]
    value = torch.randn(width, tokens, generator=g, dtype=torch.float64)
    log_decay = -torch.rand(tokens, generator=g, dtype=torch.float64)
    beta = torch.rand(tokens, generator=g, dtype=torch.float64)
    fast = chunked_delta(state, key, value, log_decay, beta, chunk)
    slow = naive.naive_token(state, key, value, log_decay, beta)
    assert (fast - slow).abs().max() < 1e-12


def test_newton_schulz_ends_at_orthonormal_columns() -> None:
    matrix = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = newton_schulz(matrix, 40)
    torch.testing.assert_close(x.transpose(-1, -2) @ x, torch.eye(4, dtype=torch.float64).expand(3, 4, 4))


def with_singular_values(values: Tensor, rows: int, seed: int = 0) -> Tensor:
    """A matrix [rows, len(values)] with these singular values."""
    g = torch.Generator().manual_seed(seed)
    left = torch.linalg.qr(torch.randn(rows, len(values), generator=g, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(len(values), len(values), generator=g, dtype=torch.float64))[0]
    return left * values @ right


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-6)], ids=str)
def test_the_default_steps_reach_the_stated_tolerance_from_one_percent_of_the_norm(
    dtype: torch.dtype, tolerance: float
) -> None:
    values = torch.linspace(0.01, 0.3, 32, dtype=torch.float64)
    values = torch.cat([values[:1], values[1:] * ((1 - 0.01**2) / values[1:].square().sum()).sqrt()])
    matrix = 7 * with_singular_values(values, 64).to(dtype)
    x = newton_schulz(matrix, OrthogonalRule.steps)
    assert (x.T @ x - torch.eye(32, dtype=dtype)).abs().max() < tolerance


def test_smaller_singular_values_rise_and_none_exceeds_one() -> None:
    values = torch.tensor([1.0, 1e-2, 1e-3, 0.0], dtype=torch.float64)
    reached = torch.linalg.svdvals(newton_schulz(with_singular_values(values, 7), OrthogonalRule.steps))
    assert reached.max() <= 1 + 1e-12
    assert 0.3 < reached[2] < 1
    assert reached[3] < 1e-9


def test_the_orthogonal_rule_s_state_has_orthonormal_columns_in_each_head() -> None:
    rule = build_rule("orthogonal", value_width=CV, heads=HEADS)
    _, key, value, pixel = (x.float() for x in inputs())
    state = rule.begin(key, value, pixel)
    for seed in range(1, 5):
        _, key, value, pixel = (x.float() for x in inputs(seed=seed))
        state = rule(state, key, value, pixel)
        blocks = state.unflatten(-1, (HEADS, -1)).transpose(-2, -3)
        size = CV // HEADS
        assert (blocks.transpose(-1, -2) @ blocks - torch.eye(size)).abs().max() < 1e-5


def test_orthogonal_refuses_heads_wider_than_the_key() -> None:
    rule = build_rule("orthogonal", value_width=32, heads=2)
    with pytest.raises(ValueError, match="at most 6 value channels, got 16"):
        rule.begin(torch.rand(1, 6, 5), torch.rand(1, 1, 32, 5), torch.rand(1, 32, 1, 5))


def test_livos_reads_a_weighted_mean_of_the_values() -> None:
    torch.manual_seed(0)
    rule = LivosRule(CV, HEADS).double()
    _, key, value, pixel = inputs()
    state = rule.begin(key, value, pixel)
    for seed in range(1, 5):
        _, key, other, pixel = inputs(seed=seed)
        state = rule(state, key, other.clamp(-1, 1), pixel)
    first_bound = value.abs().max().clamp_min(1)
    assert rule.read(state, key).abs().max() <= first_bound


@pytest.mark.parametrize("layout", ["contiguous", "tiled"])
def test_heads_are_laid_out_as_named(layout: str) -> None:
    got = spread(torch.arange(HEADS), CV, layout).tolist()
    assert got == [c * HEADS // CV if layout == "contiguous" else c % HEADS for c in range(CV)]


@pytest.mark.parametrize(
    ("scale", "largest"),
    [("none", lambda p: p), ("bound", lambda p: 1.0), ("l2", lambda p: p)],
    ids=["none", "bound", "l2"],
)
def test_the_scale_of_keys_bounds_the_eigenvalue_as_documented(scale: str, largest: Callable[[int], float]) -> None:
    fused = 3 * torch.randn(4, CK, 8, 8, generator=torch.Generator().manual_seed(0))
    key = memory_key(fused, scale).double()
    top = torch.linalg.eigvalsh(key @ key.transpose(-1, -2)).amax(-1)
    assert (top <= largest(64) + 1e-6).all()
    if scale == "none":
        assert (top >= 64 / CK - 1e-6).all()
        torch.testing.assert_close(key.sum(1), torch.ones(4, 64, dtype=torch.float64), rtol=0, atol=1e-6)
    if scale == "l2":
        torch.testing.assert_close(key.norm(dim=1), torch.ones(4, 64, dtype=torch.float64), rtol=0, atol=1e-6)


def test_aliases_name_what_is_taken_away() -> None:
    for alias, name in ALIASES.items():
        assert type(build_rule(alias, value_width=8)) is RULES[name]


def test_associate_sums_outer_products() -> None:
    _, key, value, _ = inputs()
    torch.testing.assert_close(associate(key, value)[1, 0], naive.naive_write(key[1], value[1, 0]))
