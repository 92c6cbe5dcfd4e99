"""Multiply-adds of every reference network per 256-px frame, by the harness's own counter, on tensors without data."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import NamedTuple
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from gdkvm.blocks import sine_position_code
from harness.config import load
from harness.modeling import VideoSegmenter
from harness.profiling.complexity import count_torch, visible_attention
from harness.registry import MODELS, load_plugins


class Cost(NamedTuple):
    """GMACs per frame of a clip as published, under the first-frame protocol that they were published for."""

    model: str
    frames: int
    protocol: str
    gmacs: float
    tolerance: float = 0.02
    structures: int = 1


PUBLISHED = [
    Cost("gdkvm", 10, "auto", 12.66, tolerance=0.01),
    Cost("unet", 1, "auto", 48.09),
    Cost("unet_camus", 1, "auto", 4.0, structures=3),
    Cost("unet_nnu", 1, "auto", 14.76),
    Cost("transunet", 1, "auto", 38.39),
    Cost("stm", 10, "gt", 25.57),
    Cost("stm", 32, "gt", 27.61),
    Cost("xmem", 10, "gt", 22.64),
    Cost("xmem", 32, "gt", 24.13),
    Cost("deeplabv3", 1, "auto", 40.89, tolerance=0.001),
]
FIRST_PASS = [Cost("stm", 10, "auto", 28.40), Cost("xmem", 10, "auto", 25.13)]
"""The same clips without a mask: ours, one pass over frame 0 more than published."""


class _Clip(nn.Module):
    """The whole-clip call on a frame repeated in time."""

    def __init__(self, model: VideoSegmenter, frames: int, first_mask: Tensor | None) -> None:
        super().__init__()
        self.model, self.frames, self.first_mask = model, frames, first_mask

    def forward(self, frame: Tensor) -> Tensor:
        return self.model(frame.unsqueeze(1).expand(-1, self.frames, -1, -1, -1), self.first_mask)


@contextlib.contextmanager
def _without_data() -> Iterator[None]:
    """Tensors have shapes and no values; the position codes are cached, and none may go in or come out with the others."""
    sine_position_code.cache_clear()
    # A device without values knows no autocast, which changes the precision of products and not their number.
    plain = patch.object(torch, "autocast", lambda *arguments, **options: contextlib.nullcontext())
    with torch.device("meta"), plain, torch.no_grad(), visible_attention():
        yield
    sine_position_code.cache_clear()


def measure(cost: Cost) -> float:
    """GMACs per frame of the model's reference size."""
    return _counted(cost.model, cost.frames, cost.protocol, cost.structures)


@functools.cache
def _counted(name: str, frames: int, protocol: str, structures: int) -> float:
    load_plugins()
    build = load("models", name).sizes["paper"].to_dict() | dict(num_structures=structures)
    with _without_data():
        model = MODELS.build(build).eval()
        mask = torch.zeros(1, 256, 256, dtype=torch.long) if protocol == "gt" else None
        return count_torch(_Clip(model, frames, mask), torch.rand(1, 1, 256, 256)).gmacs / frames


@pytest.mark.parametrize("cost", PUBLISHED, ids=lambda cost: f"{cost.model}-{cost.frames}")
def test_a_frame_costs_what_is_published(cost: Cost) -> None:
    assert measure(cost) == pytest.approx(cost.gmacs, rel=cost.tolerance)


@pytest.mark.parametrize("cost", FIRST_PASS, ids=lambda cost: cost.model)
def test_without_a_first_mask_a_memory_network_pays_one_pass_over_frame_0_more(cost: Cost) -> None:
    given = next(item for item in PUBLISHED if (item.model, item.frames) == (cost.model, cost.frames))
    assert measure(cost) == pytest.approx(cost.gmacs, rel=0.002)
    whole_frame = cost.frames * (cost.gmacs - given.gmacs)
    assert 0.9 * given.gmacs < whole_frame < 1.5 * given.gmacs


def test_the_first_mask_does_not_change_what_gdkvm_costs() -> None:
    short = [Cost("gdkvm", 2, protocol, 0.0) for protocol in ("auto", "gt")]
    assert measure(short[0]) == measure(short[1])


def test_a_frame_of_gdkvm_costs_the_same_however_long_the_clip() -> None:
    opening, short, long = (length * measure(Cost("gdkvm", length, "auto", 0.0)) for length in (1, 2, 10))
    assert long - opening == pytest.approx(9 * (short - opening), rel=1e-6)
