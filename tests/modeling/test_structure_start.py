"""Structures without a first mask are told apart by a learned start, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from harness.errors import ConfigError
from harness.experiments.models import build_for
from harness.modeling import PerFrameSegmenter, VideoSegmenter
from harness.modeling.pretrained import pretrained_parameters
from harness.registry import MODELS, load_plugins

NARROW: dict[str, dict[str, Any]] = {
    "GDKVM": dict(image_depth=18, image_width=8, value_width=8, width=32, key_width=8, heads=4, feed_width=16),
    "STM": dict(image_channels=1, depth=18, width=4, key_channels=4, value_channels=16, decoder_width=8),
    "XMem": dict(
        image_channels=1,
        key_depth=18,
        width=4,
        key_channels=4,
        value_channels=16,
        sensory_channels=4,
        decoder_widths=(16, 8, 8),
        update_width=8,
    ),
}
VECTORS = {"GDKVM": 2 * 32, "STM": 16, "XMem": 16}
"""Parameters per structure: a value's channels, and a query's where there are queries."""


def built(kind: str, **options: Any) -> VideoSegmenter:
    load_plugins()
    torch.manual_seed(0)
    model: VideoSegmenter = MODELS.build({"type": kind, **NARROW[kind], **options})
    return model.eval()


def objects(model: VideoSegmenter) -> Tensor:
    """Logits [3, T, H, W] of three structures on a clip without a mask."""
    with torch.inference_mode():
        return model(torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(1)))[0, :, 1:].transpose(0, 1)


@pytest.mark.parametrize("kind", NARROW)
def test_without_a_start_all_structures_are_equal_for_ever(kind: str) -> None:
    alike = objects(built(kind, num_structures=3))
    # rounding apart, which differs with the place of an item in its batch
    torch.testing.assert_close(alike[1:], alike[:1].expand(2, -1, -1, -1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", NARROW)
def test_with_a_start_every_structure_differs_in_every_frame(kind: str) -> None:
    apart = objects(built(kind, num_structures=3, learned_start=True))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (apart[a] - apart[b]).abs().amax((-2, -1)).min() > 1e-3


@pytest.mark.parametrize("kind", NARROW)
def test_the_start_is_counted_apart_and_absent_for_one_structure(kind: str) -> None:
    def count(**options: Any) -> int:
        return sum(p.numel() for p in built(kind, **options).parameters())

    assert count(num_structures=1, learned_start=True) == count(num_structures=1)
    assert count(num_structures=3, learned_start=True) == count(num_structures=3) + 3 * VECTORS[kind]
    assert not pretrained_parameters(built(kind, num_structures=3, learned_start=True))


@pytest.mark.parametrize(
    ("structures", "first_frame", "started"),
    [("all", "auto", True), ("lv", "auto", False), ("all", "gt", False), ("all", "auto_unet", False)],
)
def test_a_plan_asks_for_the_start_where_nothing_else_tells_structures_apart(
    structures: str, first_frame: str, started: bool
) -> None:
    load_plugins()
    assert build_for({"type": "GDKVM"}, structures, first_frame).get("learned_start", False) is started
    assert "learned_start" not in build_for({"type": "UNet"}, structures, first_frame)


def test_a_network_whose_structures_would_stay_equal_is_refused() -> None:
    load_plugins()
    with pytest.raises(ConfigError, match=r"GDKVM cannot tell 3 structures apart.*use --first-frame gt"):
        build_for({"type": "GDKVM", "learned_start": False}, "all", "auto")

    @MODELS.register_module(name="AlikeFrames", force=True)
    class AlikeFrames(PerFrameSegmenter):
        objects_share_weights = True

        def segment(self, images: Tensor) -> Tensor:
            return images.expand(-1, 1 + self.num_structures, -1, -1)

    with pytest.raises(ConfigError, match="AlikeFrames cannot tell 3 structures apart"):
        build_for({"type": "AlikeFrames"}, "all", "auto")
    MODELS.module_dict.pop("AlikeFrames")
