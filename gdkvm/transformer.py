"""Query transformer: a few queries per object read the pixels, talk, and write back (Cheng 2024, Cutie)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.blocks import ChannelAttentionBlock, sine_position_code
from harness.modeling.aggregation import soft_aggregate
from harness.modeling.structure_start import StructureStart


class Attention(nn.Module):
    """Multi-head attention with joint projection weights."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_bias = nn.Parameter(torch.zeros(3 * width))
        self.out = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        """query [N, Q, C], key and value [N, P, C], allowed bool [N, Q, P] → [N, Q, C]."""
        # One parameter for three projections, as in nn.MultiheadAttention, so that published weights fit.
        weights, biases = self.in_weight.chunk(3), self.in_bias.chunk(3)
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, key, value), weights, biases, strict=True)
        )
        mask = None if allowed is None else allowed.unsqueeze(1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(out.transpose(1, 2).flatten(2))


class QueryBlock(nn.Module):
    """Queries read pixels (masked), self-attention, FFN, pixels read queries, pixel refinement."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.read_pixels = Attention(width, heads)
        self.read_norm = nn.LayerNorm(width)
        self.self_attention = Attention(width, heads)
        self.self_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.feed_norm = nn.LayerNorm(width)
        self.read_queries = Attention(width, heads)
        self.pixel_block = ChannelAttentionBlock(width)

    def forward(
        self, query: Tensor, pixels: Tensor, query_code: Tensor, pixel_code: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """query [N, Q, C], pixels [N, C, h, w], codes [N, Q, C] and [N, h * w, C], allowed [N, Q, h * w]."""
        flat = pixels.flatten(2).transpose(1, 2)
        query = self.read_norm(query)
        # Position codes go to queries and keys and not to values: what is read carries no coordinates (DETR).
        query = query + self.read_pixels(query + query_code, flat + pixel_code, flat, allowed)
        query = self.self_norm(query)
        query = query + self.self_attention(query + query_code, query + query_code, query)
        query = query + self.contract(F.relu(self.expand(self.feed_norm(query))))
        # No norm on the pixels' side, as published.
        flat = flat + self.read_queries(flat + pixel_code, query + query_code, query)
        update = flat.transpose(1, 2).unflatten(2, pixels.shape[-2:])
        return query, self.pixel_block(update)


class QueryTransformer(nn.Module):
    """Refine the fused pixels of each object with ``queries`` object queries.

    After the initial projection and after each block a mask logit is predicted; it says which pixels the queries
    of the next block may read (the first half foreground, the second half background; a query that may read
    nothing reads everything) and is an auxiliary output in training.
    """

    def __init__(self, *, width: int, queries: int, blocks: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.queries = queries
        self.query_init = nn.Parameter(torch.randn(queries, width))
        self.query_code = nn.Parameter(torch.randn(queries, width))
        self.summary_to_init = nn.Linear(width, width)
        self.summary_to_code = nn.Linear(width, width)
        self.pixel_init = nn.Conv2d(width, width, 1)
        self.pixel_code = nn.Conv2d(width, width, 1)
        self.blocks = nn.ModuleList(QueryBlock(width, heads, hidden) for _ in range(blocks))
        self.mask_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(blocks + 1))

    def forward(
        self, pixels: Tensor, summaries: Tensor, auxiliary: bool, start: StructureStart | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Refine one frame.

        Args:
            pixels: [B * N, C, h, w].
            summaries: [B, N, queries, C + 1], sums and areas (all zero when there is none yet).
            auxiliary: also return the mask logits of all stages.
            start: what tells structures apart that had no first mask.

        Returns:
            pixels [B * N, C, h, w] and, if asked for, class logits [B, N + 1, h, w] after each stage.
        """
        batch, objects = summaries.shape[:2]
        # Mean of the feature over the area seen so far; 1e-4 stands for an area of nothing.
        values = (summaries[..., :-1] / (summaries[..., -1:] + 1e-4)).flatten(0, 1)
        query = self.query_init + self.summary_to_init(values)
        query = query if start is None else start.add_to_queries(query)
        query_code = self.query_code + self.summary_to_code(values)
        code = sine_position_code(*pixels.shape[-2:], pixels.shape[1], pixels.device)
        pixel_code = self.pixel_code(pixels).flatten(2).transpose(1, 2) + code
        pixels = self.pixel_init(pixels)
        stages = []
        for block, head in zip(self.blocks, self.mask_heads, strict=False):
            # Mask logits before each block: they say where its queries may look, and are supervised in training.
            stages.append(self._stage(head, pixels, batch, objects))
            query, pixels = block(query, pixels, query_code, pixel_code, self._allowed(self._foreground(stages[-1])))
        if auxiliary:
            stages.append(self._stage(self.mask_heads[-1], pixels, batch, objects))
        return pixels, stages if auxiliary else []

    def _stage(self, head: nn.Module, pixels: Tensor, batch: int, objects: int) -> Tensor:
        """Class logits [B, N + 1, h, w] of a mask head."""
        logits = head(F.relu(pixels)).view(batch, objects, *pixels.shape[-2:])
        # Float32 because a comparison of logits follows, which bf16 would decide by rounding.
        return soft_aggregate(torch.sigmoid(logits.float()))

    def _foreground(self, class_logits: Tensor) -> Tensor:
        """Which pixels belong to each object: bool [B * N, h * w], from class logits [B, N + 1, h, w].

        A pixel belongs to an object if no class has a higher logit there.
        """
        # >= as published, so that a tie gives the pixel to every object that shares it. Two objects without a first
        # mask are equal at first, and then rounding breaks the ties: another processor may break them another way.
        highest = class_logits.amax(1, keepdim=True)
        return (class_logits[:, 1:] >= highest).flatten(0, 1).flatten(1)

    def _allowed(self, foreground: Tensor) -> Tensor:
        """Which pixels each query may read: bool [B * N, queries, h * w], never an empty row."""
        inside = foreground.unsqueeze(1)
        half = self.queries // 2
        allowed = torch.cat([inside.expand(-1, half, -1), (~inside).expand(-1, self.queries - half, -1)], 1)
        # A row without any key would be a softmax over nothing: NaN. Mask2Former unblocks it likewise.
        return allowed | ~allowed.any(-1, keepdim=True)
