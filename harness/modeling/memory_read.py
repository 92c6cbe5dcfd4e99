"""Reading a memory of keys and values: similarities, softmax over the memory, weighted sums.

Positions come before channels here: keys [B, N, Ck] and values [B, K, N, Cv] hold one row per memory element,
queries [B, Q, Ck] one row per position of the query frame. All of it is float32 whatever the autocast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def rows(features: Tensor) -> Tensor:
    """Feature map [B, C, h, w] → float32 rows [B, h·w, C] (a view of channels-last float32 memory)."""
    return features.flatten(2).transpose(1, 2).float()


def dot_similarity(query: Tensor, key: Tensor) -> Tensor:
    """Scaled dot product q·k / sqrt(Ck): [B, Q, Ck], [B, N, Ck] → [B, Q, N] (Oh 2019, STM, Eq. 1-2)."""
    return (query / math.sqrt(key.shape[-1])) @ key.transpose(1, 2)


def anisotropic_similarity(query: Tensor, selection: Tensor, key: Tensor, shrinkage: Tensor) -> Tensor:
    """XMem's anisotropic L2 similarity −s_n · Σ_c e_c (k_nc − q_c)² / sqrt(Ck) (Cheng 2022, Eq. 1) as one product.

    The square is expanded, so that the similarity is the product of a row per query
    [e, 2·e·q, Σ e q²] with a row per element s·[−k², k, −1] / sqrt(Ck).

    Args:
        query: [B, Q, Ck].
        selection: [B, Q, Ck] in (0, 1), the weight of each channel for this query.
        key: [B, N, Ck].
        shrinkage: [B, N], >= 1, the sharpness of each element.

    Returns:
        [B, Q, N], never positive but for rounding.
    """
    scaled = selection * query
    queries = torch.cat([selection, 2 * scaled, (scaled * query).sum(-1, keepdim=True)], -1)
    elements = torch.cat([-key.square(), key, -torch.ones_like(key[..., :1])], -1)
    elements = elements * (shrinkage / math.sqrt(key.shape[-1])).unsqueeze(-1)
    return queries @ elements.transpose(1, 2)


def read_all(similarity: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax over all elements and weighted sum of their values.

    Args:
        similarity: [B, Q, N].
        values: [B, K, N, Cv], K objects that share the similarity.

    Returns:
        readout [B, K, Q, Cv] and the usage [B, N] (weights summed over queries).
    """
    affinity = similarity.softmax(-1)
    return affinity.unsqueeze(1) @ values, affinity.sum(1)


def read_top(similarity: Tensor, values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Softmax over the ``count`` most similar elements of each query, and the weighted sum of their values.

    The softmax subtracts the maximum first, so that it is finite for any finite similarity. Only the chosen
    rows are touched: the cost does not grow with the memory but for the search. Same arguments and results as
    ``read_all``, to which it is equal when ``count`` >= N. For inference: gradients flow, but slowly.
    """
    best, index = similarity.topk(min(count, similarity.shape[-1]), -1, sorted=False)
    weight = best.softmax(-1)
    usage = torch.zeros_like(similarity[:, 0]).scatter_add_(1, index.flatten(1), weight.flatten(1))
    readout = [
        torch.stack([F.embedding_bag(i, table, per_sample_weights=w, mode="sum") for table in tables.unbind(0)])
        for i, w, tables in zip(index.unbind(0), weight.unbind(0), values.unbind(0), strict=True)
    ]
    return torch.stack(readout), usage


def as_map(readout: Tensor, size: Sequence[int]) -> Tensor:
    """Rows [..., h·w, C] → feature maps [N, C, h, w] in channels-last memory; leading dimensions are merged."""
    return readout.flatten(0, -3).transpose(1, 2).unflatten(2, size)
