"""Augmentation: one draw per clip, frames and masks moved together, ranges kept."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from harness.data.transforms import (
    PaperAugmentation,
    adjust_contrast,
    adjust_gamma,
    affine_matrix,
    build_transforms,
    warp,
)
from harness.errors import ConfigError
from harness.registry import TRANSFORMS

SIZE = 65


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def clip() -> tuple[Tensor, Tensor]:
    """A bright block right of and above the centre, in two equal frames, and its mask."""
    masks = torch.zeros(2, SIZE, SIZE, dtype=torch.int64)
    masks[:, 12:20, 40:56] = 2
    return (masks[:, None] == 2).float() * 0.8 + 0.1, masks


def centre(mask: Tensor) -> tuple[float, float]:
    """(right, up) of a mask's centroid from the image centre."""
    rows, columns = torch.nonzero(mask, as_tuple=True)
    return float(columns.float().mean()) - (SIZE - 1) / 2, (SIZE - 1) / 2 - float(rows.float().mean())


def test_a_quarter_turn_moves_right_to_up(clip: tuple[Tensor, Tensor]) -> None:
    right, up = centre(clip[1][0])
    _, masks = warp(*clip, affine_matrix(degrees=90, scale=1, flip=False))
    assert centre(masks[0]) == pytest.approx((-up, right), abs=0.1)


def test_scale_enlarges_areas_by_its_square(clip: tuple[Tensor, Tensor]) -> None:
    _, masks = warp(*clip, affine_matrix(degrees=0, scale=1.25, flip=False))
    assert float((masks > 0).sum() / (clip[1] > 0).sum()) == pytest.approx(1.25**2, rel=0.06)


def test_flip_is_left_to_right_and_exact(clip: tuple[Tensor, Tensor]) -> None:
    frames, masks = warp(*clip, affine_matrix(degrees=0, scale=1, flip=True))
    torch.testing.assert_close(frames, clip[0].flip(-1))
    torch.testing.assert_close(masks, clip[1].flip(-1))


def test_flip_before_turn_agrees_with_the_two_one_after_the_other(clip: tuple[Tensor, Tensor]) -> None:
    at_once = warp(*clip, affine_matrix(degrees=20, scale=1.1, flip=True))[1]
    flipped = warp(*clip, affine_matrix(degrees=0, scale=1, flip=True))
    one_by_one = warp(*flipped, affine_matrix(degrees=20, scale=1.1, flip=False))[1]
    assert float((at_once != one_by_one).float().mean()) < 0.002


@pytest.mark.parametrize("seed", range(5))
def test_frames_and_masks_move_together_and_all_frames_alike(clip: tuple[Tensor, Tensor], seed: int) -> None:
    augment = PaperAugmentation(flip=0.5, gamma=(1, 1), contrast=(1, 1))
    frames, masks = augment(*clip, generator(seed))
    assert float((((frames[:, 0] > 0.5) == (masks == 2)).float()).mean()) > 0.99
    torch.testing.assert_close(frames[0], frames[1], rtol=0, atol=0)
    torch.testing.assert_close(masks[0], masks[1], rtol=0, atol=0)
    assert set(masks.unique().tolist()) <= {0, 2}


@pytest.mark.parametrize("seed", range(5))
def test_values_stay_in_range_and_shapes_are_kept(clip: tuple[Tensor, Tensor], seed: int) -> None:
    frames, masks = PaperAugmentation(gamma=(0.3, 3), contrast=(0.3, 3), flip=0.5)(*clip, generator(seed))
    assert (frames.shape, masks.shape) == (clip[0].shape, clip[1].shape)
    assert (frames.dtype, masks.dtype) == (torch.float32, torch.int64)
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_the_generator_alone_decides(clip: tuple[Tensor, Tensor]) -> None:
    augment = PaperAugmentation()
    torch.manual_seed(1)
    first = augment(*clip, generator(3))[0]
    torch.manual_seed(2)
    torch.testing.assert_close(augment(*clip, generator(3))[0], first, rtol=0, atol=0)
    assert not torch.equal(augment(*clip, generator(4))[0], first)


def test_probability_zero_changes_nothing(clip: tuple[Tensor, Tensor]) -> None:
    frames, masks = PaperAugmentation(probability=0.0, flip=0.0)(*clip, generator())
    torch.testing.assert_close(frames, clip[0], rtol=0, atol=0)
    torch.testing.assert_close(masks, clip[1], rtol=0, atol=0)


def test_the_default_holds_all_five_augmentations_of_the_papers() -> None:
    augment = PaperAugmentation()
    assert augment.flip > 0
    assert augment.rotation > 0
    assert all(low < 1 < high for low, high in (augment.gamma, augment.contrast, augment.scale))


def test_flip_happens_as_often_as_asked(clip: tuple[Tensor, Tensor]) -> None:
    augment = PaperAugmentation(flip=0.3, probability=0.0)
    one = generator()
    share = sum(not torch.equal(augment(*clip, one)[1], clip[1]) for _ in range(400)) / 400
    assert share == pytest.approx(0.3, abs=3 * math.sqrt(0.3 * 0.7 / 400))


def test_gamma_keeps_black_and_white_and_darkens_above_one() -> None:
    grey = torch.tensor([0.0, 0.25, 1.0])
    torch.testing.assert_close(adjust_gamma(grey, 2.0), torch.tensor([0.0, 0.0625, 1.0]))


def test_contrast_scales_about_the_mean_and_clips() -> None:
    torch.testing.assert_close(adjust_contrast(torch.tensor([0.2, 0.4, 0.6]), 2.0), torch.tensor([0.0, 0.4, 0.8]))
    torch.testing.assert_close(adjust_contrast(torch.tensor([0.0, 1.0]), 3.0), torch.tensor([0.0, 1.0]))


def test_a_third_party_transform_is_built_by_name() -> None:
    @TRANSFORMS.register_module(name="InvertForTest", force=True)
    class InvertForTest:
        def __call__(self, frames: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            return 1 - frames, masks

    (built,) = build_transforms([dict(type="InvertForTest")])
    assert float(built(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2), generator())[0].min()) == 1


@pytest.mark.parametrize(
    "config",
    [
        dict(type="PaperAugmentatio"),
        dict(type="PaperAugmentation", gama=1),
        dict(type="PaperAugmentation", flip=2),
        dict(type="PaperAugmentation", scale=(0, 1)),
    ],
)
def test_a_wrong_config_is_one_sentence(config: dict) -> None:
    with pytest.raises(ConfigError):
        build_transforms([config])
