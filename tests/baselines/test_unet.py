"""The U-Nets are the networks their names promise: parameters, operations, shapes, deep supervision."""

from __future__ import annotations

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from baselines.unet import UNet, UNetCore
from baselines.unet_camus import UNetCamus, UNetCamusCore
from baselines.unet_nnu import UNetNnU, UNetNnUCore


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _gmacs_at_256_px(module: nn.Module) -> float:
    """Counted at 128 px and times four: every operation of these networks is proportional to the area."""
    counter = FlopCountAnalysis(module.eval(), torch.zeros(1, 1, 128, 128))
    return 4 * counter.unsupported_ops_warnings(False).by_operator()["conv"] / 1e9


def test_the_core_with_one_output_has_the_reference_parameters() -> None:
    """Published counts are for one output channel; the contract's head has K + 1 and counts 65 more per class."""
    core = UNetCore(1, 1, (64, 128, 256, 512, 1024))
    assert _count(core) == 31_036_481
    assert _count(core.inc) == 37_696
    assert [_count(down) for down in core.downs] == [221_696, 885_760, 3_540_992, 14_159_872]
    assert [_count(up) for up in core.ups] == [9_177_600, 2_295_040, 574_080, 143_680]
    assert _count(core.head) == 65
    assert _count(UNet(num_structures=1)) == 31_036_481 + 65


def test_the_small_unet_has_the_widths_of_the_known_good_run() -> None:
    assert 1.8e6 < _count(UNet(widths=(16, 32, 64, 128, 256))) < 2.0e6


def test_the_camus_unet_has_the_reference_parameters_at_four_classes() -> None:
    assert _count(UNetCamusCore(1, 4)) == 1_976_644
    assert _count(UNetCamus(num_structures=3)) == 1_976_644


def test_the_nnunet_shape_has_the_reference_parameters_at_two_classes() -> None:
    assert _count(UNetNnU(num_structures=1)) == 33_471_820


@pytest.mark.parametrize(
    ("core", "gmacs"),
    [(UNetCore(1, 1, (64, 128, 256, 512, 1024)), 48.09), (UNetCamusCore(1, 4), 4.0), (UNetNnUCore(1, 2), 14.76)],
    ids=["unet", "unet_camus", "unet_nnu"],
)
def test_multiply_adds_of_a_256_px_frame_match_the_reference(core: nn.Module, gmacs: float) -> None:
    assert _gmacs_at_256_px(core) == pytest.approx(gmacs, rel=0.02)


def test_deep_supervision_halves_resolution_and_weight_per_level() -> None:
    model = UNetNnU(num_structures=2, widths=(4, 8, 8, 16))
    output = model.forward_train(torch.rand(2, 3, 1, 32, 32))
    assert output.logits.shape == (2, 3, 3, 32, 32)
    assert [tuple(head.logits.shape) for head in output.auxiliary] == [(2, 3, 3, 16, 16), (2, 3, 3, 8, 8)]
    assert [head.weight for head in output.auxiliary] == [0.5, 0.25]


def test_deep_supervision_does_not_change_the_main_logits() -> None:
    model = UNetNnU(widths=(4, 8, 8)).eval()
    frames = torch.rand(1, 2, 1, 32, 32)
    torch.testing.assert_close(model.forward_train(frames).logits, model(frames))


def test_frames_too_small_for_the_stages_are_refused_with_the_sizes() -> None:
    with pytest.raises(ValueError, match="4 stages need frames of more than 8 px"):
        UNetNnU(widths=(4, 4, 4, 4))(torch.rand(1, 1, 1, 8, 8))


def test_unequal_encoder_and_decoder_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="as many levels, got 2 and 1"):
        UNetCamus(encoder=(4, 4), decoder=(4,))


def test_grey_levels_are_centred_before_the_first_convolution() -> None:
    """A mid-grey image is zero inside the network, so its logits do not depend on the first kernel."""
    model = UNet(widths=(4, 8)).eval()
    frames = torch.full((1, 1, 1, 16, 16), 0.5)
    before = model(frames)
    nn.init.normal_(model.core.inc[0].weight)
    torch.testing.assert_close(model(frames), before)
