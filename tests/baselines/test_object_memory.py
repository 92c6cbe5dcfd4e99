"""Cutie and LiVOS: sizes of the published networks, their two memories against the formulas, weights by the authors' names.

Measured once against the authors' code, which is not in the tree: probabilities differ by 3.9e-9 (Cutie) and 2.9e-9 (LiVOS) at
most in float64, two objects with given masks (docs/models.md).
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.cutie import Cutie
from baselines.livos import LiVOS
from baselines.object_memory import ObjectMemorySegmenter, Query
from baselines.object_memory_released import CUTIE, LIVOS
from gdkvm.released import our_name
from harness.modeling.published import renamed

NARROW: dict[str, Any] = dict(
    num_structures=2,
    image_channels=1,
    image_depth=18,
    image_width=8,
    value_width=8,
    width=16,
    feed_width=16,
    attention_heads=2,
    queries=4,
    key_width=4,
    decoder_widths=(8, 8),
)
SHARED = {
    "image_encoder": 8_543_296,
    "pixel_projector": 262_400,
    "value_encoder": 8_820_682,
    "readout_fusion": 2_558_218,
    "summariser": 267_280,
    "transformer": 9_338_643,
    "sensory_head": 66_049,
}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@functools.cache
def names_of(kind: type[ObjectMemorySegmenter]) -> set[str]:
    with torch.device("meta"):
        return set(kind(**NARROW).state_dict())


def query(keys: Tensor) -> Query:
    """A frame of which the memory sees nothing but its keys [1, C, h, w]."""
    nothing = torch.zeros(1)
    return Query(keys, nothing, nothing, nothing, None, None)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (Cutie, SHARED | {"key_heads": 559_745, "decoder": 4_607_873}),
        (LiVOS, SHARED | {"key_projector": 409_920, "gate_projector": 262_400, "decoder": 4_606_849}),
    ],
)
def test_parameters_per_module_are_those_of_the_authors_code(
    kind: type[ObjectMemorySegmenter], parts: dict[str, int]
) -> None:
    with torch.device("meta"):
        model = kind()
    assert {name: count(module) for name, module in model.named_children() if count(module)} == parts


def test_the_linear_memory_is_the_gated_sum_divided_by_one_number_per_clip() -> None:
    torch.manual_seed(0)
    model = LiVOS(**NARROW).eval()
    key = torch.rand(5, 1, 4, 2, 3).softmax(2)
    gate, values = torch.rand(5, 1, 16, 1, 1), torch.randn(5, 1, 2, 6, 16)
    frames = [query(torch.cat([k, g.expand(-1, -1, 2, 3)], 1)) for k, g in zip(key, gate, strict=True)]
    memory, state, keys = None, torch.zeros(2, 4, 16), torch.zeros(4, 6)
    for t in range(4):
        memory = model.write(memory, frames[t], values[t])
        k = key[t, 0].flatten(1)
        for i in range(2):
            faded = state[i] * gate[t].flatten() if t else state[i]
            state[i] = faded + sum(torch.outer(k[:, p], values[t, 0, i, p]) for p in range(6))
        keys = keys + k
        now = key[t + 1, 0].flatten(1)
        readout, after = model.read(memory, frames[t + 1])
        for i in range(2):
            torch.testing.assert_close(readout[0, i], now.T @ state[i] / (now * keys).sum(), atol=1e-5, rtol=1e-5)
        assert after is memory


def test_the_pixel_memory_keeps_the_first_frame_and_the_latest() -> None:
    model = Cutie(**NARROW, max_frames=3).eval()
    bank = None
    for t in range(6):
        bank = model.write(bank, query(torch.full((1, 9, 1, 2), float(t))), torch.full((1, 2, 2, 16), float(t)))
    assert bank.key[0, :, 0].tolist() == [0, 0, 4, 4, 5, 5]
    assert bank.value[0, 1, :, 3].tolist() == [0, 0, 4, 4, 5, 5]


def test_a_reading_is_the_softmax_of_the_anisotropic_distance() -> None:
    torch.manual_seed(1)
    model = Cutie(**NARROW, top=1000).eval()
    stored, asking = torch.rand(1, 9, 2, 2) + 0.5, torch.rand(1, 9, 2, 2)
    values = torch.randn(1, 2, 4, 16)
    readout, _ = model.read(model.write(None, query(stored), values), query(asking))
    key, shrinkage = stored[0, :4].flatten(1), stored[0, 8].flatten()
    q, focus = asking[0, :4].flatten(1), asking[0, 4:8].flatten(1)
    for i in range(4):
        distance = torch.stack([(focus[:, i] * (key[:, n] - q[:, i]) ** 2).sum() * shrinkage[n] for n in range(4)])
        weights = (-distance / 2).softmax(0)
        torch.testing.assert_close(readout[0, 0, i], weights @ values[0, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [Cutie, LiVOS])
def test_auxiliary_heads_of_a_given_first_frame_are_there_and_empty(kind: type[ObjectMemorySegmenter]) -> None:
    torch.manual_seed(2)
    model = kind(**NARROW).train()
    mask = torch.zeros(1, 32, 32, dtype=torch.long)
    mask[:, 8:20, 8:20] = 1
    output = model.forward_train(torch.rand(1, 3, 1, 32, 32), mask)
    assert [head.name for head in output.auxiliary] == ["sensory", "query0", "query1", "query2", "query3"]
    assert all(head.logits.shape[:3] == (1, 3, 3) for head in output.auxiliary)
    assert not output.auxiliary[0].logits[:, 0].any()
    assert output.auxiliary[0].logits[:, 1].any()


PAIRS = [
    (CUTIE, "pixel_encoder.res2.0.conv1.weight", "image_encoder.layer1.0.conv1.weight"),
    (CUTIE, "key_proj.pix_feat_proj.bias", "key_heads.reduce.bias"),
    (CUTIE, "key_proj.e_proj.weight", "key_heads.selection.weight"),
    (CUTIE, "mask_encoder.layer3.1.bn2.bias", "value_encoder.trunk.layer3.1.bn2.bias"),
    (CUTIE, "mask_encoder.fuser.distributor.g_transform.bias", "value_encoder.fuser.transform_object.bias"),
    (CUTIE, "pixel_fuser.fuser.distributor.x_transform.weight", "readout_fusion.fuser.transform_image.weight"),
    (CUTIE, "mask_encoder.fuser.block2.conv.weight", "value_encoder.fuser.block2.gate.weight"),
    (CUTIE, "mask_encoder.sensory_update.transform.bias", "value_encoder.update.transform.bias"),
    (CUTIE, "mask_decoder.up_8_4.out_conv.conv2.bias", "decoder.up4.conv2.bias"),
    (CUTIE, "mask_decoder.up_16_8.out_conv.downsample.weight", "decoder.up8.shortcut.weight"),
    (CUTIE, "mask_decoder.decoder_feat_proc.transforms.1.bias", "decoder.project4.bias"),
    (CUTIE, "mask_decoder.sensory_update.g8_conv.weight", "decoder.update.from8.weight"),
    (CUTIE, "pixel_fuser.sensory_compress.weight", "readout_fusion.compress.weight"),
    (
        CUTIE,
        "object_transformer.blocks.2.read_from_query.cross_attn.in_proj_bias",
        "transformer.blocks.2.read_queries.in_bias",
    ),
    (CUTIE, "object_transformer.mask_pred.3.1.bias", "transformer.mask_heads.3.bias"),
    (CUTIE, "aux_computer.sensory_aux.projection.weight", "sensory_head.project.weight"),
    (LIVOS, "gate_projector.layer.weight", "gate_projector.weight"),
    (LIVOS, "key_projector.layer2.bias", "key_projector.project.bias"),
    (LIVOS, "pixel_fuser.fuser.layer1.conv.weight", "readout_fusion.fuser.block1.gate.weight"),
    (LIVOS, "mask_decoder.upsample_16_to_8.linear_proj.bias", "decoder.up8.shortcut.bias"),
]


@pytest.mark.parametrize(("rules", "published", "ours"), PAIRS, ids=[pair[1] for pair in PAIRS])
def test_a_tensor_of_the_authors_goes_to(rules: Any, published: str, ours: str) -> None:
    name = our_name(renamed(published, rules) or "")
    assert name == ours
    assert name in names_of(Cutie if rules is CUTIE else LiVOS)
