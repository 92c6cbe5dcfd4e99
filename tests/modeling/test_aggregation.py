"""Soft aggregation against the formula, and label maps against masks."""

from __future__ import annotations

import torch

from harness.modeling.aggregation import object_masks, other_objects, soft_aggregate


def test_one_object_gives_its_log_odds_and_their_negative() -> None:
    p = torch.tensor([0.1, 0.5, 0.9]).view(1, 1, 1, 3)
    expected = torch.logit(p)
    torch.testing.assert_close(soft_aggregate(p), torch.cat([-expected, expected], 1))


def test_the_background_is_the_product_of_the_complements() -> None:
    p = torch.rand(2, 3, 4, 5).clamp(0.05, 0.95)
    background = (1 - p[:, 0]) * (1 - p[:, 1]) * (1 - p[:, 2])
    torch.testing.assert_close(soft_aggregate(p)[:, 0], torch.logit(background), atol=1e-4, rtol=1e-4)


def test_certain_probabilities_stay_finite_in_any_precision() -> None:
    p = torch.tensor([0.0, 1.0], dtype=torch.bfloat16).view(1, 2, 1, 1)
    logits = soft_aggregate(p)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert logits.flatten().argmax() == 2


def test_label_maps_become_one_mask_per_structure() -> None:
    labels = torch.tensor([[[0, 1], [2, 3]]])
    masks = object_masks(labels, 3)
    assert masks.shape == (1, 3, 2, 2)
    assert torch.equal((masks * torch.arange(1, 4).view(1, 3, 1, 1)).sum(1), labels.float())


def test_the_others_of_a_single_object_are_nothing() -> None:
    assert not other_objects(torch.rand(2, 1, 3, 3)).any()


def test_the_others_are_the_clamped_sum_of_all_but_the_own() -> None:
    masks = torch.tensor([0.7, 0.8, 0.1]).view(1, 3, 1, 1)
    torch.testing.assert_close(other_objects(masks).flatten(), torch.tensor([0.9, 0.8, 1.0]))
