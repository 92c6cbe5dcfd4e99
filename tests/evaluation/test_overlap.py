"""Dice, IoU, precision and recall count pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.evaluation.overlap import binary_pair, empty_status, overlap_metrics, rowwise_dice

masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 8)))


def test_counts_of_a_hand_made_pair():
    p = np.array([[1, 1, 0], [0, 1, 0]])
    g = np.array([[0, 1, 1], [0, 1, 1]])
    values = overlap_metrics(p, g)
    assert values == {"dice": 4 / 7, "iou": 2 / 5, "precision": 2 / 3, "recall": 2 / 4}


@settings(max_examples=60, deadline=None)
@given(masks, st.randoms(use_true_random=False))
def test_dice_and_iou_agree_with_sets_of_pixels(mask, random):
    other = np.array([[random.random() < 0.5 for _ in range(mask.shape[1])] for _ in range(mask.shape[0])])
    p, g = set(map(tuple, np.argwhere(mask))), set(map(tuple, np.argwhere(other)))
    values = overlap_metrics(mask, other)
    if p | g:
        assert values["iou"] == pytest.approx(len(p & g) / len(p | g))
        assert values["dice"] == pytest.approx(2 * values["iou"] / (1 + values["iou"]))
    else:
        assert all(math.isnan(value) for value in values.values())


@pytest.mark.parametrize(("p", "g", "status"), [(1, 1, 0), (0, 0, 1), (1, 0, 2), (0, 1, 2)])
def test_empty_masks_have_a_status(p, g, status):
    assert empty_status(np.full((3, 3), p), np.full((3, 3), g)) == status


def test_one_empty_mask_scores_zero_and_its_own_ratio_is_missing():
    filled, empty = np.ones((4, 4)), np.zeros((4, 4))
    missed = overlap_metrics(empty, filled)
    assert (missed["dice"], missed["iou"], missed["recall"]) == (0, 0, 0)
    assert math.isnan(missed["precision"])
    invented = overlap_metrics(filled, empty)
    assert (invented["dice"], invented["precision"]) == (0, 0)
    assert math.isnan(invented["recall"])


def test_rowwise_dice_rises_with_empty_image_around_the_structure():
    p, g = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    p[1, :2], g[1, 1:3] = True, True
    assert rowwise_dice(p, g) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    padded = rowwise_dice(np.pad(p, ((0, 4), (0, 0))), np.pad(g, ((0, 4), (0, 0))))
    assert padded == pytest.approx((0.5 + 7) / 8)
    assert overlap_metrics(p, g)["dice"] == 0.5
    assert math.isnan(rowwise_dice(np.zeros((2, 2)), np.zeros((2, 2))))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"one shape \[H, W\], got \(2, 2\) and \(3, 2\)"):
        binary_pair(np.ones((2, 2)), np.ones((3, 2)))
