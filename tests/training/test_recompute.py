"""Activation checkpointing changes memory, not numbers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from harness.config import list_configs, load
from harness.modeling.resnet import ResNetTrunk
from harness.registry import MODELS, load_plugins
from harness.training.recompute import recompute_activations


class Trunked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = ResNetTrunk(18, width=4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.trunk(x)[2])


def step(model: nn.Module, x: Tensor) -> Tensor:
    torch.manual_seed(3)
    output: Tensor = model(x)
    output.square().sum().backward()
    return output


def test_outputs_gradients_and_statistics_are_the_same_bits() -> None:
    torch.manual_seed(0)
    plain = Trunked()
    saving = copy.deepcopy(plain)
    assert recompute_activations(saving) == 3
    x = torch.rand(2, 1, 32, 32)
    assert torch.equal(step(plain, x), step(saving, x))
    for (name, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name  # type: ignore[arg-type]
    for (name, a), b in zip(plain.named_buffers(), saving.buffers(), strict=True):
        assert torch.equal(a, b), name


def test_fewer_activations_are_kept() -> None:
    kept = []
    for saving in (False, True):
        torch.manual_seed(0)
        model, sizes = Trunked(), []
        if saving:
            recompute_activations(model)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t):
            model(torch.rand(2, 1, 64, 64))
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


def test_a_model_may_name_its_own_modules() -> None:
    class Speaking(Trunked):
        def checkpointed_modules(self) -> list[nn.Module]:
            return [self.trunk.layer2]

    assert recompute_activations(Speaking()) == 1


@pytest.mark.parametrize("mode", [True, False])
def test_without_gradients_nothing_is_wrapped(mode: bool) -> None:
    model = Trunked().train(mode)
    expected = copy.deepcopy(model)
    recompute_activations(model)
    x = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.manual_seed(0)
        a = model(x)
        torch.manual_seed(0)
        assert torch.equal(a, expected(x))


MODELS_WITH_CONFIG = [name for name in list_configs("models") if "{template}" not in str(load("models", name).sizes)]


def kept_and_trained(name: str, saving: bool) -> tuple[int, Tensor, dict[str, Tensor]]:
    """Numbers kept for the backward pass, output and gradients of one step of a small model."""
    load_plugins()
    torch.manual_seed(0)
    model = MODELS.build(load("models", name).sizes["small"].to_dict() | dict(num_structures=1)).train()
    if saving:
        assert recompute_activations(model) > 0
    sizes: list[int] = []
    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):  # type: ignore[func-returns-value]
        logits = model.forward_train(torch.rand(2, 3, 1, 64, 64)).logits
    logits.square().mean().backward()
    gradients = {key: p.grad for key, p in model.named_parameters() if p.grad is not None}
    return sum(sizes), logits.detach(), gradients


@pytest.mark.parametrize("name", MODELS_WITH_CONFIG)
def test_every_model_keeps_less_and_learns_the_same(name: str) -> None:
    (all_kept, plain, wanted), (kept, saving, found) = kept_and_trained(name, False), kept_and_trained(name, True)
    assert kept < 0.8 * all_kept
    torch.testing.assert_close(saving, plain, atol=1e-6, rtol=1e-5)
    assert found.keys() == wanted.keys()
    scale = max(float(gradient.abs().max()) for gradient in wanted.values())
    for key, gradient in wanted.items():
        torch.testing.assert_close(found[key] / scale, gradient / scale, atol=1e-5, rtol=0, msg=key)
