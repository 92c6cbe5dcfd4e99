"""Multiply-adds of STM and XMem at their reference size, counted by torch on tensors without data."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from baselines.stm import STM
from baselines.xmem import XMem

FRAMES = 10


@pytest.mark.slow
@pytest.mark.parametrize(("model", "published"), [(STM, 25.57), (XMem, 22.64)], ids=["stm", "xmem"])
def test_a_frame_of_a_clip_of_ten_with_its_first_mask_costs_what_is_published(model: type, published: float) -> None:
    with FakeTensorMode(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network = model().eval()
        network(torch.rand(1, FRAMES, 1, 256, 256), torch.zeros(1, 256, 256, dtype=torch.long))
    gmacs = counter.get_total_flops() / 2e9 / FRAMES
    assert gmacs == pytest.approx(published, rel=0.02)
