"""What a stream holds after many frames: nothing (per-frame models), a bounded bank (XMem), a growing one (STM)."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from baselines.stm import STM
from baselines.unet import UNet
from baselines.xmem import XMem
from harness.modeling import VideoSegmenter
from harness.profiling.memory import held_bytes

MARKS = (100, 150, 200, 250, 300)


def tiny_stm() -> STM:
    return STM(image_channels=1, depth=18, width=4, key_channels=4, value_channels=8, decoder_width=4).eval()


def tiny_xmem() -> XMem:
    """Its bank is full after 85 frames: three working frames of four elements, twelve prototypes."""
    trunks = dict(image_channels=1, key_depth=18, value_depth=18, width=4)
    sizes = dict(key_channels=4, value_channels=8, sensory_channels=4, decoder_widths=(8, 4, 4), update_width=4)
    limits = dict(max_frames=5, min_frames=3, prototypes=4, max_long_term=12)
    return XMem(**trunks, **sizes, **limits).eval()  # type: ignore[arg-type]


@torch.inference_mode()
def held(model: VideoSegmenter) -> dict[int, int]:
    """Bytes of a stream's state after each of ``MARKS`` frames."""
    sizes, state = {}, None
    for time in range(1, MARKS[-1] + 1):
        frame = torch.rand(1, 1, 32, 32)
        state = model.begin(frame) if state is None else state
        _, state = model.step(frame, state)
        if time in MARKS:
            sizes[time] = held_bytes(state)
    return sizes


def test_a_per_frame_model_holds_nothing() -> None:
    assert set(held(UNet(widths=(4, 8)).eval()).values()) == {0}


def test_xmem_holds_a_bounded_bank() -> None:
    sizes = held(tiny_xmem())
    assert max(sizes.values()) <= 1.3 * sizes[100]


def test_stm_holds_a_bank_that_grows_in_a_straight_line() -> None:
    sizes = held(tiny_stm())
    steps = [sizes[b] - sizes[a] for a, b in pairwise(MARKS)]
    per_kept_frame = 4 * (4 + 8) * 4  # 2x2 positions, key and value channels, float32
    assert steps == [per_kept_frame * 10] * 4


def test_a_storage_that_two_tensors_share_counts_once() -> None:
    x = torch.zeros(10, 3)
    assert held_bytes([x, (x[:5], x.T)]) == 120
    assert held_bytes([x, (torch.zeros(5), x.T), 1, None]) == 140


@pytest.mark.parametrize("build", [tiny_stm, tiny_xmem])
def test_the_last_frame_s_features_are_not_held(build: type) -> None:
    model = build()
    with torch.inference_mode():
        state = model.begin(torch.rand(1, 1, 64, 64))
        _, state = model.step(torch.rand(1, 1, 64, 64), state)
    assert state.memory.features is None
