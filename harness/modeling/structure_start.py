"""A learned start for each structure, where no first mask tells them apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StructureStart(nn.Module):
    """One vector per structure, added to the values that the memory is made of and to the queries that read them.

    Memory networks use the same weights for all objects and know them by their first masks. Where frame 0 has no mask
    all objects have the same input, hence the same output in every frame and after any training. A vector of its own
    gives each structure something to be: class k + 1 learns what the k-th mask of the reference looks like.

    No published network has it: published weights are loaded without, and the parameters are counted apart
    (``docs/models.md``).

    Args:
        num_structures: K.
        value_width: channels of the values.
        query_width: channels of the object queries; 0 for a network without them.
    """

    def __init__(self, num_structures: int, value_width: int, query_width: int = 0) -> None:
        super().__init__()
        self.num_structures = num_structures
        # Their names hold "embed": codes do not decay (training/parameters.py).
        self.value_embedding = nn.Parameter(torch.randn(num_structures, value_width))
        self.query_embedding = nn.Parameter(torch.randn(num_structures, query_width)) if query_width else None

    def add_to_values(self, values: Tensor) -> Tensor:
        """values [B · K, C, h, w] → the same shape and type."""
        return values + _each(self.value_embedding, values)[..., None, None]

    def add_to_queries(self, queries: Tensor) -> Tensor:
        """queries [B · K, Q, C] → the same shape and type; unchanged for a network without queries."""
        if self.query_embedding is None:
            return queries
        return queries + _each(self.query_embedding, queries).unsqueeze(1)


def structure_start(
    learned: bool, num_structures: int, value_width: int, query_width: int = 0
) -> StructureStart | None:
    """The start where it is asked for and there are structures to tell apart, else None."""
    # A single structure has nobody to be confused with: its network stays the published one.
    return StructureStart(num_structures, value_width, query_width) if learned and num_structures > 1 else None


def _each(embedding: Tensor, items: Tensor) -> Tensor:
    """The embedding of every object of a batch whose objects lie side by side: [B · K, C]."""
    return embedding.to(items.dtype).repeat(items.shape[0] // embedding.shape[0], 1)
