"""The engine ``native``: which models it takes, how it packs one that nobody has told it of, and when it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from harness.engines import EngineError, make_engine
from harness.modeling import PerFrameSegmenter

FRAMES = torch.rand(1, 2, 1, 64, 64)


class Unknown(PerFrameSegmenter):
    """A model that no packed form is registered for."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)
        nn.init.uniform_(self.bn1.running_var, 0.2, 0.4)  # type: ignore[arg-type]
        self.order = order

    def segment(self, images: Tensor) -> Tensor:
        # the names say that bn1 follows conv1
        return (
            self.bn1(self.conv1(images))
            if self.order == "usual"
            else self.conv1(self.bn1(images.repeat(1, 2, 1, 1))[:, :1])
        )


@torch.inference_mode()
def test_an_unknown_model_is_packed_if_the_copy_computes_the_same() -> None:
    model = Unknown("usual").eval()
    fast = make_engine("native")(model, FRAMES)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast(FRAMES), model(FRAMES), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_an_unknown_model_whose_copy_would_differ_is_refused() -> None:
    with pytest.raises(EngineError, match=r"no packed form of Unknown that computes the same \(its logits differ by"):
        make_engine("native")(Unknown("reversed").eval(), FRAMES)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["segformer_mit-b0", "bisenetv1_r18-d32", "fcn_hr18"])
def test_models_of_mmsegmentation_are_packed_and_compute_the_same(name: str) -> None:
    pytest.importorskip("mmseg", reason="the extra 'mmseg' is not installed")
    from baselines.mmseg import MMSegSegmenter

    torch.manual_seed(0)
    model = MMSegSegmenter(name=name).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.1)
    frames = torch.rand(1, 2, 1, 64, 96)
    fast, expected = make_engine("native")(model, frames), model(frames)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast(frames), expected, atol=1e-3 * float(expected.abs().max()), rtol=0)


def test_half_precision_is_for_cuda() -> None:
    with pytest.raises(EngineError, match="fp16 on a CUDA device only"):
        make_engine("native")(Unknown("usual").eval(), FRAMES, precision="fp16")


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_on_cuda_gdkvm_s_packed_copy_is_replayed_and_equals_eager(precision: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from gdkvm.model import GDKVM

    torch.manual_seed(0)
    sizes = dict(
        image_depth=18, image_width=8, value_depth=18, value_width=8, width=32, key_width=16, heads=4, queries=4
    )
    rest = dict(blocks=1, attention_heads=2, feed_width=32, decoder_widths=(16, 16), num_structures=2)
    model, frames = GDKVM(**sizes, **rest).eval().cuda(), torch.rand(2, 5, 1, 64, 64).cuda()
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        fast = make_engine("native")(model, frames, precision=precision)
        with torch.inference_mode():
            atol = 1e-3 if precision == "fp32" else 0.2
            torch.testing.assert_close(fast(frames), model(frames), atol=atol, rtol=0)
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
