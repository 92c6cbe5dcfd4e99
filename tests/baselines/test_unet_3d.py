"""The 3-D U-Net's blocks are those of torch in three dimensions, and its clips and streams differ as stated."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from baselines.unet_3d import ClipNorm, TimeConv, UNet3D


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_of_neighbouring_frames_is_a_3d_convolution(stride: int) -> None:
    torch.manual_seed(0)
    layer, clip = TimeConv(2, 5, stride).double(), torch.randn(2, 4, 2, 6, 8, dtype=torch.float64)
    kernel = layer.conv.weight.unflatten(1, (3, 2)).transpose(1, 2)  # out, in, time, height, width
    wanted = F.conv3d(clip.transpose(1, 2), kernel, layer.conv.bias, (1, stride, stride), 1)
    torch.testing.assert_close(layer(clip.flatten(0, 1), 4).unflatten(0, (2, 4)), wanted.transpose(1, 2))


def test_the_norm_is_instance_norm_over_time_and_space() -> None:
    torch.manual_seed(0)
    layer, clip = ClipNorm(3), torch.randn(2, 5, 3, 4, 4)
    torch.nn.init.uniform_(layer.weight)
    wanted = F.instance_norm(clip.transpose(1, 2), weight=layer.weight, bias=layer.bias).transpose(1, 2)
    torch.testing.assert_close(layer(clip.flatten(0, 1), 5).unflatten(0, (2, 5)), wanted, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_frame_sees_the_whole_clip_and_a_stream_what_there_was_so_far() -> None:
    torch.manual_seed(0)
    model, frames = UNet3D(widths=(4, 8)).eval(), torch.rand(1, 4, 1, 16, 16)
    changed = frames.clone()
    changed[:, 3] = 1 - changed[:, 3]
    assert (model(frames)[:, 0] - model(changed)[:, 0]).abs().max() > 1e-4
    state = model.begin(frames[:, 0])
    for t, frame in enumerate(frames.unbind(1)):
        logits, state = model.step(frame, state)
        torch.testing.assert_close(logits, model(frames[:, : t + 1])[:, -1])


def test_deep_supervision_halves_resolution_and_weight_per_level() -> None:
    output = UNet3D(num_structures=2, widths=(4, 8, 8, 16)).forward_train(torch.rand(2, 3, 1, 32, 32))
    assert [tuple(head.logits.shape) for head in output.auxiliary] == [(2, 3, 3, 16, 16), (2, 3, 3, 8, 8)]
    assert [head.weight for head in output.auxiliary] == [0.5, 0.25]
