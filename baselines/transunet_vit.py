"""The transformer half of TransUNet's encoder: a plain pre-norm ViT on stride-16 features.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; without class token, as TransUNet uses it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head self-attention over tokens [N, L, C]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"heads must divide dim, got {heads} and {dim}")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def mixed(self, x: Tensor) -> Tensor:
        """The heads' weighted values [N, L, C], side by side, before the output's projection."""
        n, length, dim = x.shape
        # q, k, v: N heads L C/heads
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        # Fused attention; the counters of multiply-adds force the math kernel to see it (docs/protocol.md, Complexity).
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, length, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] → [N, L, C]."""
        return self.out(self.mixed(x))


class Layer(nn.Module):
    """Pre-norm transformer layer: attention, then a GELU MLP with dropout; layer norm eps 1e-6."""

    def __init__(self, dim: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim, 1e-6)
        self.attention = SelfAttention(dim, heads)
        self.mlp_norm = nn.LayerNorm(dim, 1e-6)
        self.fc1, self.fc2 = nn.Linear(dim, mlp), nn.Linear(mlp, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] → [N, L, C]."""
        # Norm before attention and MLP, as in the ViT paper's Eq. 2 and 3.
        x = x + self.attention(self.attention_norm(x))
        hidden = self.dropout(F.gelu(self.fc1(self.mlp_norm(x))))
        return x + self.dropout(self.fc2(hidden))


class VisionTransformer(nn.Module):
    """Features [N, channels, h, w] → contextual features [N, dim, h, w].

    Args:
        channels: channels of the incoming features.
        grid: side of the square grid that the learned positions are stored for; other sizes are
            interpolated bilinearly.
        dim, layers, heads, mlp, dropout: of the transformer.
    """

    def __init__(
        self, *, channels: int, grid: int, dim: int, layers: int, heads: int, mlp: int, dropout: float
    ) -> None:
        super().__init__()
        self.grid = grid
        self.embedding = nn.Conv2d(channels, dim, 1)
        # Zeros as published: without pretrained weights the network first learns without positions.
        self.positions = nn.Parameter(torch.zeros(1, grid * grid, dim))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(dim, heads, mlp, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, 1e-6)
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> Tensor:
        """[N, channels, h, w] → [N, dim, h, w]; any h and w, positions are interpolated."""
        height, width = features.shape[-2:]
        # Patches of one position: the ResNet has done the cutting (R50+ViT hybrid).
        x = self.embedding(features).flatten(2).transpose(1, 2)
        x = self.dropout(x + resize_positions(self.positions, self.grid, height, width).to(x.dtype))
        for layer in self.layers:
            x = layer(x)
        return self.norm(x).transpose(1, 2).unflatten(2, (height, width))


def resize_positions(positions: Tensor, grid: int, height: int, width: int) -> Tensor:
    """Positions [1, grid·grid, C] → [1, height·width, C] by bilinear interpolation (identity at the own size)."""
    if (height, width) == (grid, grid):
        return positions
    # Learned at one size and interpolated to others: section 3.2 of the ViT paper.
    field = positions.transpose(1, 2).unflatten(2, (grid, grid))
    return F.interpolate(field, (height, width), mode="bilinear").flatten(2).transpose(1, 2)
