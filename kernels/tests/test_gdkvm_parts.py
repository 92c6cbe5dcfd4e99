"""Each packed part of GDKVM computes what the part that it stands for computes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from echobench_kernels.gdkvm_parts import (
    PackedAttentionBlock,
    PackedDecoder,
    PackedReadoutFusion,
    PackedSensoryUpdate,
    RectifiedPool,
)
from echobench_kernels.gdkvm_transformer import PackedQueryTransformer, foreground, products
from torch import Tensor, nn

from gdkvm.blocks import ChannelAttentionBlock
from gdkvm.decoder import MaskDecoder
from gdkvm.fusion import ReadoutFusion
from gdkvm.sensory import DeepUpdate
from gdkvm.transformer import QueryTransformer

CLOSE = dict(atol=2e-5, rtol=1e-4)


@pytest.fixture(autouse=True)
def _no_gradients() -> object:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def rows_last(*shape: int) -> Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(16, 16), (2, 4), (7, 8), (9, 5)], ids=str)
def test_pooling_by_rows_and_columns_is_max_pooling_of_what_is_not_negative(size: tuple[int, int]) -> None:
    x = F.relu(rows_last(2, 5, *size))
    assert torch.equal(RectifiedPool()(x), F.max_pool2d(x, 3, 2, 1))


@pytest.mark.parametrize("width", [8, 32, 256])
def test_the_attention_block_gates_as_before(width: int) -> None:
    block, x = ChannelAttentionBlock(width).eval(), rows_last(2, width, 6, 4)
    torch.testing.assert_close(PackedAttentionBlock(block, torch.float32)(x), block(x), **CLOSE)


def test_the_sensory_update_with_one_sigmoid_is_the_same_update() -> None:
    update, value, hidden = DeepUpdate(12, 8).eval(), rows_last(2, 12, 4, 4), rows_last(2, 8, 4, 4)
    packed = PackedSensoryUpdate(update.transform, torch.float32)
    torch.testing.assert_close(packed(value, hidden), update(value, hidden), **CLOSE)


@pytest.mark.parametrize("objects", [1, 3])
@pytest.mark.parametrize("memory", [False, True])
def test_the_readout_is_fused_the_same_way(objects: int, memory: bool) -> None:
    fusion = ReadoutFusion(8, 8, 8).eval()
    packed = PackedReadoutFusion(fusion, objects, torch.float32)
    masks = torch.rand(2, objects, 4, 4)
    others = torch.zeros_like(masks) if objects == 1 else torch.rand_like(masks)
    readout = rows_last(2 * objects, 8, 4, 4) if memory else None
    arguments = (readout, rows_last(2 * objects, 8, 4, 4), masks, others, rows_last(2, 8, 4, 4))
    torch.testing.assert_close(packed(*arguments), fusion(*arguments), **CLOSE)


@pytest.mark.parametrize("objects", [1, 2])
def test_the_decoder_and_its_update_without_the_logit_channel_are_the_same(objects: int) -> None:
    decoder = MaskDecoder((4, 6), (8, 6, 6), 8).eval()
    n = 2 * objects
    arguments = (rows_last(n, 8, 4, 4), rows_last(2, 8, 8, 8), rows_last(2, 6, 16, 16), rows_last(n, 8, 4, 4), objects)
    for out, expected in zip(PackedDecoder(decoder, torch.float32)(*arguments), decoder(*arguments), strict=True):
        torch.testing.assert_close(out, expected, **CLOSE)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("objects", [1, 2])
def test_the_query_transformer_reads_and_writes_the_same(batch: int, objects: int) -> None:
    transformer = QueryTransformer(width=16, queries=6, blocks=2, heads=4, hidden=24).eval()
    packed = PackedQueryTransformer(transformer, torch.float32)
    pixels, summaries = rows_last(batch * objects, 16, 4, 6), torch.rand(batch, objects, 6, 17)
    out, stages = packed(pixels, summaries, False)
    torch.testing.assert_close(out, transformer(pixels, summaries, False)[0], **CLOSE)
    assert stages == []


@pytest.mark.parametrize("objects", [1, 3])
def test_the_foreground_is_decided_as_in_the_plain_transformer(objects: int) -> None:
    transformer = QueryTransformer(width=8, queries=2, blocks=1, heads=2, hidden=8)
    logits = torch.randn(2, objects, 5, 5)
    logits[0, 0, 0] = 0
    head = nn.Identity()
    head.forward = lambda _: logits.flatten(0, 1).unsqueeze(1)
    expected = transformer._foreground(transformer._stage(head, logits, 2, objects))
    assert torch.equal(foreground(logits.flatten(2)), expected)


@pytest.mark.parametrize("batch", [1, 2])
def test_products_add_bias_and_residual_for_any_strides(batch: int) -> None:
    a, b = torch.randn(batch, 5, 8), torch.randn(batch, 8, 6).transpose(1, 2)
    bias, residual = torch.randn(batch, 6), torch.randn(batch, 5, 6)
    exact = a @ b.transpose(1, 2)
    torch.testing.assert_close(products(a, b), exact, **CLOSE)
    torch.testing.assert_close(products(a, b, bias=bias), exact + bias[:, None], **CLOSE)
    torch.testing.assert_close(products(a, b, residual), exact + residual, **CLOSE)
