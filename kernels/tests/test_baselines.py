"""Packed copies of the per-frame baselines compute the same logits, folded and channels-last."""

from __future__ import annotations

import pytest
import torch
from echobench_kernels.baselines import instance_to_group_norm
from echobench_kernels.copying import inference_copy
from torch import nn

from baselines.per_frame import FrameNetworkSegmenter
from baselines.transunet import TransUNet
from baselines.transunet_hybrid import StdConv2d
from baselines.unet import UNet
from baselines.unet_camus import UNetCamus
from baselines.unet_nnu import UNetNnU

SMALL = dict(width=8, units=(1, 1, 1), groups=4, dim=16, layers=2, heads=2, mlp=32, head_width=8, image_size=64)
BUILDERS = {
    "unet": lambda: UNet(widths=(8, 16, 32)),
    "unet_camus": lambda: UNetCamus(encoder=(8, 8), bottleneck=8, decoder=(8, 8), norm=True),
    "unet_nnu": lambda: UNetNnU(widths=(8, 16, 16)),
    "transunet": lambda: TransUNet(**SMALL, decoder_widths=(8, 8, 8, 4)),
}


@pytest.fixture(params=BUILDERS)
def model(request: pytest.FixtureRequest) -> FrameNetworkSegmenter:
    """A model whose batch norms have statistics of their own, as after training."""
    torch.manual_seed(0)
    built = BUILDERS[request.param]()
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return built.eval()


@torch.inference_mode()
def test_fp32_computes_the_same_logits(model: FrameNetworkSegmenter) -> None:
    frames = torch.rand(2, 3, 1, 64, 64)
    torch.testing.assert_close(inference_copy(model)(frames), model(frames), atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_bf16_gives_float_logits_of_nearly_the_same_labels(model: FrameNetworkSegmenter) -> None:
    frames = torch.rand(1, 2, 1, 64, 64)
    expected, logits = model(frames), inference_copy(model, "bf16")(frames)
    assert logits.dtype == torch.float32
    assert float((logits - expected).abs().max()) < 0.1 * float(expected.abs().max())
    assert float((logits.argmax(2) == expected.argmax(2)).float().mean()) > 0.9


def test_nothing_is_left_to_normalise_or_standardise(model: FrameNetworkSegmenter) -> None:
    kinds = {type(module) for module in inference_copy(model).modules()}
    assert not kinds & {nn.BatchNorm2d, nn.InstanceNorm2d, StdConv2d}


def test_kernels_are_channels_last_and_frozen(model: FrameNetworkSegmenter) -> None:
    for parameter in inference_copy(model).parameters():
        assert not parameter.requires_grad
        assert parameter.ndim != 4 or parameter.is_contiguous(memory_format=torch.channels_last)


def test_the_original_stays_as_it_was(model: FrameNetworkSegmenter) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    inference_copy(model, "bf16")
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_an_unknown_precision_is_refused(model: FrameNetworkSegmenter) -> None:
    with pytest.raises(ValueError, match=r"precision must be one of \['bf16', 'fp32'\], got 'fp8'"):
        inference_copy(model, "fp8")


def test_a_grey_root_is_summed_and_a_colour_root_is_not() -> None:
    grey = inference_copy(TransUNet(**SMALL, decoder_widths=(8, 8, 8, 4)))
    colour = inference_copy(TransUNet(**SMALL, decoder_widths=(8, 8, 8, 4), in_channels=3))
    assert grey.resnet.conv_root.weight.shape[1] == 1
    assert colour.resnet.conv_root.weight.shape[1] == 3


def test_group_norm_with_one_channel_per_group_is_instance_norm() -> None:
    norms = nn.Sequential(nn.InstanceNorm2d(4, affine=True))
    nn.init.normal_(norms[0].weight)
    x = torch.randn(2, 4, 8, 8)
    expected = norms(x)
    instance_to_group_norm(norms)
    torch.testing.assert_close(norms(x), expected)
