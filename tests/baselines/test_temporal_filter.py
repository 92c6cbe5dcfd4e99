"""The filtered U-Net is a U-Net in training and a causal filter over probabilities on clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.unet import UNet
from baselines.unet_filtered import FilteredUNet


def pair(**options: Any) -> tuple[FilteredUNet, UNet]:
    filtered, plain = FilteredUNet(num_structures=2, widths=(4, 8), **options), UNet(num_structures=2, widths=(4, 8))
    plain.load_state_dict(filtered.state_dict())
    with torch.no_grad():
        # logits of an untrained network are nearly equal, and so would be all filters of them
        plain.core.head.weight.mul_(20)
        filtered.core.head.weight.mul_(20)
    return filtered.eval(), plain.eval()


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.rand(2, 6, 1, 16, 16, generator=torch.Generator().manual_seed(3))


@torch.inference_mode()
@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_the_median_is_that_of_the_last_frames_at_every_pixel(frames: Tensor, window: int) -> None:
    filtered, plain = pair(window=window)
    p = plain(frames).softmax(2).numpy()
    medians = np.stack([np.median(p[:, max(0, t - window + 1) : t + 1], 1) for t in range(6)], 1)
    expected = medians / medians.sum(2, keepdims=True)
    np.testing.assert_allclose(filtered(frames).exp().numpy(), expected, atol=1e-6)


@torch.inference_mode()
@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_the_exponential_mean_is_the_sum_of_all_past_frames_with_falling_weights(frames: Tensor, weight: float) -> None:
    filtered, plain = pair(kind="exponential", weight=weight)
    p = plain(frames).softmax(2)
    for t in range(6):
        shares = [weight * (1 - weight) ** (t - s) if s else (1 - weight) ** t for s in range(t + 1)]
        expected = sum(share * p[:, s] for s, share in enumerate(shares))
        torch.testing.assert_close(filtered(frames)[:, t].exp(), expected, atol=1e-6, rtol=0)


@torch.inference_mode()
def test_a_single_spoiled_frame_leaves_no_trace_in_a_median_of_three(frames: Tensor) -> None:
    filtered, plain = pair(window=3)
    still = frames[:, :1].expand(-1, 6, -1, -1, -1).clone()
    still[:, 3] = 1 - still[:, 3]
    torch.testing.assert_close(filtered(still).softmax(2), plain(still[:, :1]).softmax(2).expand(-1, 6, -1, -1, -1))


def test_training_and_single_frames_are_the_u_net_s_own(frames: Tensor) -> None:
    filtered, plain = pair()
    assert torch.equal(filtered.forward_train(frames).logits, plain.forward_train(frames).logits)
    assert torch.equal(filtered(frames[:, :1]).argmax(2), plain(frames[:, :1]).argmax(2))


@pytest.mark.parametrize("options", [dict(kind="mean"), dict(window=0), dict(weight=0.0)])
def test_an_impossible_filter_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kind must be one of|need window >= 1"):
        FilteredUNet(widths=(4, 8), **options)
