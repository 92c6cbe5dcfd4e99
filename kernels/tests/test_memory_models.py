"""Packed copies of STM and XMem compute the same logits and keep their memories in float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from echobench_kernels.copying import inference_copy
from echobench_kernels.forms import native_form
from torch import Tensor, nn

from baselines.stm import STM
from baselines.xmem import XMem
from harness.modeling import VideoSegmenter


def stm(**options: Any) -> STM:
    torch.manual_seed(0)
    sizes = dict(image_channels=3, depth=18, width=4, key_channels=4, value_channels=8, decoder_width=4)
    return STM(**{**sizes, **options}).eval()


def xmem(**options: Any) -> XMem:
    torch.manual_seed(0)
    trunks = dict(image_channels=3, key_depth=18, value_depth=18, width=4)
    sizes = dict(key_channels=4, value_channels=8, sensory_channels=4, decoder_widths=(8, 4, 4), update_width=4)
    limits = dict(max_frames=5, min_frames=3, prototypes=4, max_long_term=12)
    return XMem(**{**trunks, **sizes, **limits, **options}).eval()


def stream(model: VideoSegmenter, frames: Tensor) -> tuple[Tensor, Any]:
    """Logits [1, T, K+1, H, W] and the memory after the last frame."""
    state, logits = model.begin(frames[:, 0]), []
    for frame in frames.unbind(1):
        out, state = model.step(frame, state)
        logits.append(out)
    return torch.stack(logits, 1), state.memory.memory


@torch.no_grad()
@pytest.mark.parametrize("given", [False, True], ids=["auto", "gt"])
@pytest.mark.parametrize("build", [stm, xmem])
def test_the_copy_computes_the_same_logits(build: Any, given: bool) -> None:
    model = build(num_structures=2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.uniform_(0.5, 1.5)
    frames = torch.rand(1, 12, 1, 32, 32)
    mask = torch.randint(0, 3, (1, 32, 32)) if given else None
    expected = model(frames, mask)
    fast = inference_copy(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast(frames, mask), expected, atol=1e-3, rtol=0)
    assert torch.equal(model(frames, mask), expected), "the original model must stay as it was"


@torch.no_grad()
def test_the_bf16_copy_of_stm_keeps_its_memory_in_float32_and_nearly_the_same_labels() -> None:
    model, frames = stm(), torch.rand(1, 7, 1, 32, 32)
    logits, memory = stream(inference_copy(model, "bf16"), frames)
    assert logits.dtype == memory.kept.value.dtype == torch.float32
    assert (logits.softmax(2) - model(frames).softmax(2)).abs().max() < 0.05


@torch.no_grad()
def test_the_bf16_copy_of_xmem_keeps_its_memory_in_float32_and_nearly_the_same_labels() -> None:
    model, frames = xmem(), torch.rand(1, 7, 1, 32, 32)
    logits, memory = stream(inference_copy(model, "bf16"), frames)
    assert logits.dtype == memory.bank.value.dtype == torch.float32
    assert (logits.softmax(2) - model(frames).softmax(2)).abs().max() < 0.05


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="bf16"):
        native_form(stm(), torch.rand(1, 1, 1, 32, 32), "fp8")
