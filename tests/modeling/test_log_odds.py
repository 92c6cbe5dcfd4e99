"""Aggregation from logits: the same function as from probabilities, with the precision that those lose."""

from __future__ import annotations

import pytest
import torch

from harness.modeling.aggregation import soft_aggregate
from harness.modeling.log_odds import LIMIT, aggregate_logits, mask_logits


@pytest.mark.parametrize("count", [1, 3])
def test_it_equals_the_definition_in_float64(count: int) -> None:
    torch.manual_seed(0)
    logits = 4 * torch.randn(2, count, 8, 8, dtype=torch.float64)
    p = logits.sigmoid()
    p = torch.cat([(1 - p).prod(1, keepdim=True), p], 1).clamp(1e-7, 1 - 1e-7)
    torch.testing.assert_close(aggregate_logits(logits), torch.log(p / (1 - p)), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(aggregate_logits(logits.float()).double(), torch.log(p / (1 - p)), atol=1e-4, rtol=1e-5)


def test_sure_logits_keep_their_precision_where_probabilities_lose_it() -> None:
    logits = torch.linspace(-15, 15, 301).view(1, 1, 301, 1)
    exact = torch.cat([-logits, logits], 1)
    assert (aggregate_logits(logits) - exact).abs().max() < 1e-4
    assert (soft_aggregate(logits.sigmoid()) - exact).abs().max() > 1e-2


@pytest.mark.parametrize("count", [1, 2, 3])
def test_surely_absent_objects_leave_a_background_at_the_limit(count: int) -> None:
    """The product comes before the limits, as in the published codes; the other order loses ln(count): 15.4 and 15.0."""
    logits = torch.full((1, count, 2, 2), -20.0)
    assert aggregate_logits(logits)[:, 0].sub(LIMIT).abs().max() < 1e-4
    assert aggregate_logits(logits.double())[:, 0].sub(LIMIT).abs().max() < 1e-6
    assert aggregate_logits(-logits)[:, 0].add(LIMIT).abs().max() < 1e-4


def test_extreme_logits_stay_finite_with_finite_gradients() -> None:
    logits = torch.tensor([-1e4, -20.0, -16.2, 0.0, 16.2, 20.0, 1e4]).view(1, 1, 7, 1).repeat(1, 2, 1, 1)
    logits.requires_grad_()
    out = aggregate_logits(logits)
    out.square().sum().backward()
    assert out.abs().max() <= LIMIT + 1e-3
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_given_masks_become_logits_of_the_same_labels() -> None:
    labels = torch.randint(0, 4, (2, 16, 16), generator=torch.Generator().manual_seed(0))
    masks = torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2)[:, 1:].float()
    logits = mask_logits(masks)
    assert torch.equal(logits.argmax(1), labels)
    assert logits.softmax(1).amax(1).min() > 0.999
