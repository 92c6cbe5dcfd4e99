"""Resizing to model size: unbiased areas, exact limits, labels that exist."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.data.resample import resize_frames, resize_masks


def test_a_whole_factor_is_the_mean_of_blocks() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 12, 8), dtype=np.uint8)
    expected = frames.reshape(2, 4, 3, 4, 2).mean((2, 4))
    np.testing.assert_allclose(resize_frames(frames, 4), expected, atol=0.5 + 1e-4)


def test_a_fine_checkerboard_becomes_grey_instead_of_moire() -> None:
    board = (np.indices((96, 96)).sum(0) % 2 * 254).astype(np.uint8)
    assert np.ptp(resize_frames(board[None], 32).astype(int)) <= 85
    assert np.ptp(resize_frames(board[None], 48).astype(int)) <= 1


def test_the_same_size_changes_nothing(heart_mask: Callable[..., np.ndarray]) -> None:
    mask = heart_mask(9, 40, 40)
    np.testing.assert_array_equal(resize_masks(mask[None], 40)[0], mask)
    np.testing.assert_array_equal(resize_frames(mask[None] * 60, 40)[0], mask * 60)


def test_both_axes_may_go_different_ways() -> None:
    ramp = np.repeat(np.linspace(0, 250, 50)[None], 10, 0).astype(np.uint8)
    resized = resize_frames(ramp[None], 25)[0]
    assert resized.shape == (25, 25)
    np.testing.assert_array_equal(resized, resized[:1].repeat(25, 0))
    assert (np.diff(resized[0].astype(int)) > 0).all()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_areas_keep_their_share_and_no_label_is_invented(heart_mask: Callable[..., np.ndarray], size: int) -> None:
    mask = heart_mask(90, 389, 549)
    resized = resize_masks(mask[None], size)[0]
    assert set(np.unique(resized)) <= set(np.unique(mask))
    assert (resized == 1).mean() == pytest.approx((mask == 1).mean(), rel=0.03)
    np.testing.assert_array_equal(resize_masks(np.zeros((1, 50, 30), np.uint8), size), np.zeros((1, size, size)))
