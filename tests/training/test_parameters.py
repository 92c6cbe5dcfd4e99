"""Which parameters decay and which learn slower."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.modeling.pretrained import mark_pretrained
from harness.modeling.resnet import ResNetTrunk
from harness.training.parameters import build_optimizer, parameter_groups, set_learning_rate
from harness.training.recipe import OptimizerSpec

SPEC = OptimizerSpec(lr=1.0, weight_decay=0.5, backbone_lr_factor=0.1)


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = ResNetTrunk(18, width=4)
        self.head = nn.Conv2d(16, 2, 1)
        self.norm = nn.LayerNorm(4)
        self.words = nn.Embedding(3, 4)
        self.patch_embedding = nn.Conv2d(4, 4, 1)
        self.query_embed = nn.Parameter(torch.zeros(3, 4))
        self.attention = nn.MultiheadAttention(4, 1)


def table(model: nn.Module, spec: OptimizerSpec = SPEC) -> dict[str, tuple[float, float]]:
    """(lr, weight decay) by parameter name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, spec)
    return {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}


def test_every_parameter_is_in_exactly_one_group() -> None:
    model = Parts()
    grouped = [id(p) for group in parameter_groups(model, SPEC) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("head.weight", (1.0, 0.5)),
        ("head.bias", (1.0, 0.0)),
        ("norm.weight", (1.0, 0.0)),
        ("words.weight", (1.0, 0.0)),
        ("patch_embedding.weight", (1.0, 0.5)),
        ("query_embed", (1.0, 0.0)),
        ("attention.in_proj_weight", (1.0, 0.5)),
        ("trunk.conv1.weight", (0.1, 0.5)),
        ("trunk.bn1.weight", (0.1, 0.0)),
    ],
)
def test_decay_and_backbone_rate_of(name: str, expected: tuple[float, float]) -> None:
    model = Parts()
    mark_pretrained(model.trunk)
    assert table(model)[name] == expected


def test_a_backbone_from_scratch_learns_at_the_full_rate() -> None:
    """Nothing but loaded weights is slowed down: models with and without a ResNet start alike."""
    assert {lr for lr, _ in table(Parts()).values()} == {1.0}


def test_a_model_may_name_its_undecayed_parameters() -> None:
    class Speaking(Parts):
        def no_weight_decay(self) -> set[str]:
            return {"head.weight"}

    assert table(Speaking())["head.weight"] == (1.0, 0.0)


def test_frozen_parameters_are_left_out() -> None:
    model = Parts()
    model.trunk.requires_grad_(False)
    assert not any(name.startswith("trunk") for name in table(model))


@pytest.mark.parametrize("kind", ["AdamW", "Adam", "SGD"])
def test_the_fused_optimiser_takes_the_step_of_the_plain_one(kind: str) -> None:
    torch.manual_seed(0)
    fused, plain = nn.Linear(5, 3), nn.Linear(5, 3)
    plain.load_state_dict(fused.state_dict())
    ours = build_optimizer(fused, OptimizerSpec(type=kind, lr=0.1, weight_decay=0.01))  # type: ignore[arg-type]
    options = {"momentum": 0.9, "nesterov": True} if kind == "SGD" else {}
    groups = [{"params": [plain.weight], "weight_decay": 0.01}, {"params": [plain.bias], "weight_decay": 0.0}]
    theirs = getattr(torch.optim, kind)(groups, lr=0.1, foreach=False, **options)
    for _ in range(3):
        x = torch.randn(7, 5)
        for model, optimizer in ((fused, ours), (plain, theirs)):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(fused.weight, plain.weight)
    torch.testing.assert_close(fused.bias, plain.bias)


def test_the_schedule_scales_every_group_from_its_own_rate() -> None:
    model = Parts()
    mark_pretrained(model.trunk)
    optimizer = build_optimizer(model, SPEC)
    set_learning_rate(optimizer, 0.5)
    set_learning_rate(optimizer, 0.5)
    assert {group["lr"] for group in optimizer.param_groups} == {0.5, 0.05}
