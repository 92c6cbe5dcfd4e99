"""The polygon rule of EchoNet's masks against an independent implementation."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from harness.data.polygon import fill_polygon

draw = pytest.importorskip("skimage.draw")
SHAPE = (20, 24)


def reference(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[draw.polygon(rows, columns, SHAPE)] = True
    return mask


@pytest.mark.parametrize("seed", range(10))
def test_any_polygon_is_filled_as_scikit_image_fills_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        rows, columns = rng.integers(-4, 28, (2, rng.integers(1, 12)))
        np.testing.assert_array_equal(fill_polygon(rows, columns, SHAPE), reference(rows, columns))


def test_an_outline_like_a_ventricle_is_smaller_than_a_fill_that_paints_its_rim() -> None:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rows, columns = np.rint(10 + 8 * np.sin(angle)).astype(int), np.rint(12 + 5 * np.cos(angle)).astype(int)
    painted = np.zeros(SHAPE, np.uint8)
    cv2.fillPoly(painted, [np.stack([columns, rows], 1).astype(np.int32)], 1)
    assert 0 < fill_polygon(rows, columns, SHAPE).sum() <= painted.sum()


def test_a_square_includes_its_border() -> None:
    mask = fill_polygon(np.array([2, 2, 5, 5]), np.array([3, 7, 7, 3]), SHAPE)
    assert mask.sum() == 4 * 5
    assert mask[2:6, 3:8].all()


def test_what_lies_outside_the_frame_is_cut_off() -> None:
    mask = fill_polygon(np.array([-10, -10, 40, 40]), np.array([10, 60, 60, 10]), SHAPE)
    assert mask.sum() == SHAPE[0] * (SHAPE[1] - 10)
