"""The query transformer for inference: few wide products instead of many narrow ones.

With 16 queries and hundreds of pixels it is cheaper to carry a projection over to the queries' side of a product than
to project every pixel: q·(W p) = (Wᵀ q)·p, and Σ a (W p) = W (Σ a p). Pixels are held as [N, P, C], which is the
channels-last map itself.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from echobench_kernels import onednn
from echobench_kernels.gdkvm_parts import PackedAttentionBlock
from echobench_kernels.packed_layers import PackedConv, PackedLinear, Unhooked
from gdkvm.blocks import sine_position_code
from gdkvm.transformer import Attention, QueryBlock, QueryTransformer
from harness.modeling.aggregation import soft_aggregate
from harness.modeling.structure_start import StructureStart


def products(a: Tensor, b: Tensor, residual: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """a bᵀ + bias + residual for a [N, M, K], b [N, L, K] (any strides), residual [N, M, L] and bias [N, L].

    A single product on the CPU goes through oneDNN, which on AMD processors is twice as fast as MKL in float32.
    """
    if a.shape[0] == 1 and a.device.type == "cpu" and onednn.available(a.dtype):
        alone, summed = onednn.products()
        offset = None if bias is None else bias[0]
        if residual is None:
            return alone(a[0], b[0], offset, "none", [], "").unsqueeze(0)
        return summed(a[0], residual[0], b[0], offset, "add").unsqueeze(0)
    out = a @ b.transpose(1, 2)
    out = out if bias is None else out + bias.unsqueeze(1)
    return out if residual is None else out + residual


class _Heads(nn.Module):
    """The pieces of an ``Attention``: one linear layer, and two per-head matrices [H, C / H, C]."""

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        super().__init__()
        self.heads, self.dtype = attention.heads, dtype
        self.width = attention.out.in_features // attention.heads
        self.weights, self.biases = attention.in_weight.detach().chunk(3), attention.in_bias.detach().chunk(3)

    def linear(self, *parts: int, scale: float = 1.0) -> PackedLinear:
        """Packed projection to query (0), key (1) or value (2), or to several of them side by side."""
        weight = torch.cat([self.weights[i] for i in parts]) * scale
        bias = torch.cat([self.biases[i] for i in parts]) * scale
        return packed_linear(weight, bias, self.dtype)

    def per_head(self, matrix: Tensor) -> Tensor:
        """[C, C] with the heads' channels in the rows → [H, C / H, C]."""
        return matrix.unflatten(0, (self.heads, self.width)).to(self.dtype).contiguous()


def packed_linear(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> PackedLinear:
    """A packed layer from a weight [out, in] and a bias [out]."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return PackedLinear(layer, dtype=dtype)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[N, Q, C] → [N, H, Q, C / H], a view."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class PixelReading(Unhooked):
    """Queries read pixels (masked attention): the pixels are projected neither to keys nor to values."""

    key: Tensor
    value: Tensor

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        super().__init__()
        parts = _Heads(attention, dtype)
        self.heads, out = attention.heads, attention.out
        self.query = parts.linear(0, scale=parts.width**-0.5)
        self.register_buffer("key", parts.per_head(parts.weights[1]), persistent=False)
        self.register_buffer("value", parts.per_head(parts.weights[2]).transpose(1, 2), persistent=False)
        self.out = packed_linear(out.weight.detach(), out(parts.biases[2]).detach(), dtype)

    def forward(self, query: Tensor, code: Tensor, coded: Tensor, flat: Tensor, bias: Tensor) -> Tensor:
        """query, code [N, Q, C], coded and flat pixels [N, P, C], bias [N, 1, Q, P] → query + what it read."""
        n, q, c = query.shape
        probe = split_heads(self.query(query + code), self.heads) @ self.key
        scores = products(probe.view(n, -1, c), coded)
        weights = torch.softmax(scores.view(n, self.heads, q, -1) + bias, -1).flatten(1, 2)
        read = products(weights, flat.transpose(1, 2)).view(n, self.heads, q, c) @ self.value
        return self.out(read.transpose(1, 2).reshape(n, q, c), query)


class QueryReading(Unhooked):
    """Pixels read queries: the pixels are projected neither to attention queries nor from the attention's output."""

    query: Tensor
    query_bias: Tensor
    out: Tensor
    out_bias: Tensor

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        super().__init__()
        parts = _Heads(attention, dtype)
        self.heads, scale = attention.heads, parts.width**-0.5
        self.key, self.value = parts.linear(1, scale=scale), parts.linear(2)
        self.register_buffer("query", parts.per_head(parts.weights[0]), persistent=False)
        self.register_buffer("query_bias", parts.biases[0].to(dtype).view(self.heads, -1, 1), persistent=False)
        self.register_buffer("out", parts.per_head(attention.out.weight.detach().t()), persistent=False)
        # each head's weights sum to one: the bias can be shared out among the heads
        self.register_buffer("out_bias", attention.out.bias.detach().to(dtype) / self.heads, persistent=False)

    def forward(self, flat: Tensor, coded: Tensor, query: Tensor, code: Tensor) -> Tensor:
        """flat and coded pixels [N, P, C], query and code [N, Q, C] → flat + what they read."""
        n, q, c = query.shape
        key = split_heads(self.key(query + code), self.heads)
        scores = products(coded, (key @ self.query).view(n, -1, c), bias=(key @ self.query_bias).view(n, -1))
        weights = torch.softmax(scores.float().view(n, -1, self.heads, q), -1).to(flat.dtype).flatten(2)
        value = split_heads(self.value(query), self.heads) @ self.out + self.out_bias
        return products(weights, value.view(n, -1, c).transpose(1, 2), residual=flat)


class SelfAttention(Unhooked):
    """Queries talk to each other."""

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        super().__init__()
        parts = _Heads(attention, dtype)
        self.heads = attention.heads
        self.query_key, self.value = parts.linear(0, 1), parts.linear(2)
        self.out = PackedLinear(attention.out, dtype=dtype)

    def forward(self, query: Tensor, code: Tensor) -> Tensor:
        """query, code [N, Q, C] → query + what it heard."""
        q, k = (split_heads(x, self.heads) for x in self.query_key(query + code).chunk(2, -1))
        heard = F.scaled_dot_product_attention(q, k, split_heads(self.value(query), self.heads))
        return self.out(heard.transpose(1, 2).flatten(2), query)


class PackedQueryBlock(Unhooked):
    """``QueryBlock`` on pixels [N, P, C]."""

    def __init__(self, block: QueryBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.read_pixels = PixelReading(block.read_pixels, dtype)
        self.self_attention = SelfAttention(block.self_attention, dtype)
        self.read_queries = QueryReading(block.read_queries, dtype)
        self.expand = PackedLinear(block.expand, "relu", dtype)
        self.contract = PackedLinear(block.contract, "none", dtype)
        self.norms = nn.ModuleList([block.read_norm, block.self_norm, block.feed_norm]).to(dtype)
        self.pixel_block = PackedAttentionBlock(block.pixel_block, dtype)

    def forward(
        self, query: Tensor, flat: Tensor, query_code: Tensor, pixel_code: Tensor, bias: Tensor, height: int
    ) -> tuple[Tensor, Tensor]:
        """query and its code [N, Q, C], flat pixels and their code [N, P, C], bias [N, 1, Q, P]."""
        coded = flat + pixel_code
        query = self.read_pixels(self.norms[0](query), query_code, coded, flat, bias)
        query = self.self_attention(self.norms[1](query), query_code)
        query = self.contract(self.expand(self.norms[2](query)), query)
        flat = self.read_queries(flat, coded, query, query_code)
        return query, as_rows(self.pixel_block(as_map(flat, height)))


def as_rows(pixels: Tensor) -> Tensor:
    """Channels-last map [N, C, h, w] → [N, P, C], a view."""
    return pixels.permute(0, 2, 3, 1).flatten(1, 2)


def as_map(flat: Tensor, height: int) -> Tensor:
    """[N, P, C] → channels-last map [N, C, h, w], a view."""
    return flat.unflatten(1, (height, -1)).permute(0, 3, 1, 2)


class PackedQueryTransformer(Unhooked):
    """``QueryTransformer`` without its auxiliary outputs."""

    start: Tensor
    side: Tensor

    def __init__(self, transformer: QueryTransformer, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, queries = dtype, transformer.queries
        to_init, to_code = transformer.summary_to_init, transformer.summary_to_code
        weight, bias = torch.cat([to_init.weight, to_code.weight]), torch.cat([to_init.bias, to_code.bias])
        self.from_summary = packed_linear(weight.detach(), bias.detach(), dtype)
        start = torch.cat([transformer.query_init, transformer.query_code], -1).detach().to(dtype)
        self.register_buffer("start", start, persistent=False)
        side = (torch.arange(queries) >= queries // 2).long()
        self.register_buffer("side", side, persistent=False)
        self.pixel_init = PackedConv(transformer.pixel_init, "none", dtype)
        self.pixel_code = PackedConv(transformer.pixel_code, "none", dtype)
        self.blocks = nn.ModuleList(PackedQueryBlock(cast(QueryBlock, block), dtype) for block in transformer.blocks)
        heads = [cast(nn.Conv2d, head) for head in transformer.mask_heads][: len(self.blocks)]
        self.mask_heads = nn.ModuleList(
            packed_linear(head.weight.detach().flatten(1), cast(Tensor, head.bias).detach(), dtype) for head in heads
        )

    def forward(
        self, pixels: Tensor, summaries: Tensor, auxiliary: bool, start: StructureStart | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """pixels [B * N, C, h, w], summaries [B, N, queries, C + 1] → refined pixels and an empty list."""
        height, width = pixels.shape[-2:]
        values = (summaries[..., :-1] / (summaries[..., -1:] + 1e-4)).flatten(0, 1)
        query, query_code = (self.from_summary(values) + self.start).chunk(2, -1)
        query = query if start is None else start.add_to_queries(query)
        code = sine_position_code(height, width, pixels.shape[1], pixels.device).to(self.dtype)
        pixel_code = as_rows(self.pixel_code(pixels)) + code
        flat = as_rows(self.pixel_init(pixels))
        for block, head in zip(self.blocks, self.mask_heads, strict=True):
            bias = self._bias(head(F.relu(flat)).view(*summaries.shape[:2], -1))
            query, flat = block(query, flat, query_code, pixel_code, bias, height)
        return as_map(flat, height), []

    def _bias(self, logits: Tensor) -> Tensor:
        """Object logits [B, N, P] → 0 where a query may read a pixel, −inf elsewhere: [B * N, 1, queries, P]."""
        own = foreground(logits.float())
        sides = torch.stack([own, ~own], 1)
        sides = sides | ~sides.any(-1, keepdim=True)
        bias = torch.zeros(sides.shape, dtype=self.dtype, device=sides.device).masked_fill_(~sides, -math.inf)
        return bias.index_select(1, self.side).unsqueeze(1)


def foreground(logits: Tensor) -> Tensor:
    """Which pixels belong to each object: bool [B * N, P] from object logits [B, N, P].

    As ``QueryTransformer`` decides it: no class has a higher aggregated logit. One
    object has the background's logit with the sign changed.
    """
    if logits.shape[1] == 1:
        return (logits >= 0).flatten(0, 1)
    classes = soft_aggregate(torch.sigmoid(logits).unsqueeze(-1)).squeeze(-1)
    return (classes[:, 1:] >= classes.amax(1, keepdim=True)).flatten(0, 1)
