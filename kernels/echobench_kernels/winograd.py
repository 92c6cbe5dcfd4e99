"""3x3 convolution by Winograd's minimal filtering F(4 x 4, 3 x 3): 36 instead of 144 products per 4 x 4 outputs.

Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for input tiles d of 6 x 6 pixels with a stride of 4 (Lavin & Gray 2016, arXiv 1509.09308),
computed by ``csrc/tiles.c`` with transforms and sums in float32. With the points 0, ±3/4, ±3/2, ∞ the rounding error is half
of that with the usual 0, ±1, ±2, ∞ (the choice of points: Barabasz et al. 2020, arXiv 1803.10986): in float32 two to three
times the direct convolution's own, in bfloat16 1.0 % of the output against 0.3 % (``kernels/benchmarks/layers.py``). Filters take
four times the direct convolution's memory.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from echobench_kernels import native
from echobench_kernels.native import LANES, PANEL, Activation
from echobench_kernels.packed_layers import PackedConv

STEP, SIZE = 4, 6
"""Rows and columns of the pixels that a tile gives, and that it takes."""
NEAR, FAR = 0.75, 1.5
"""The finite points of the interpolation are 0, ±NEAR and ±FAR; ``csrc/tiles.c`` has the same."""
LEAST_CHANNELS, LEAST_TILES = 32, 8
"""Channels, in and out, and tiles from which the tiled form is the faster one."""


def filter_matrix() -> Tensor:
    """G [6, 3], float64: row p evaluates the filter's polynomial at point p, divided by the product of its distances."""
    points = (0.0, NEAR, -NEAR, FAR, -FAR)
    rows = []
    for point in points:
        distances = math.prod(point - other for other in points if other != point)
        rows.append([point**power / distances for power in range(3)])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


class WinogradConv(PackedConv):
    """A packed 3x3 convolution with stride 1 and padding 1: activation(conv(x) + residual).

    It holds one form of the weights: the direct one until an input comes that has tiles enough to gain. Off the CPU it is
    the ordinary convolution.

    Args:
        conv: the convolution, which is not changed.
        activation: applied after the residual sum.
        dtype: of weights and output, float32 or bfloat16.
        rectify: the input goes through a ReLU first.

    Raises:
        ValueError: a convolution or a type that does not suit (see ``suits``).
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        activation: Activation = "none",
        dtype: torch.dtype = torch.float32,
        *,
        rectify: bool = False,
    ) -> None:
        if not suits(conv, dtype):
            raise ValueError(f"only wide 3x3 convolutions with stride and padding 1 go in tiles, got {conv}, {dtype}")
        super().__init__(conv, activation, dtype, rectify=rectify)
        self.exact: Tensor | None = conv.weight.detach() if conv.weight.device.type == "cpu" else None
        self.filters: Tensor | None
        self.register_buffer("filters", None, persistent=False)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [N, C, H, W] and, if any, a residual of the output's shape."""
        if self.filters is None and not self._tile_for(x):
            return super().forward(x, residual)
        assert self.filters is not None
        return native.convolve(
            native.in_rows(x, self.dtype),
            self.filters,
            self.bias,
            None if residual is None else native.in_rows(residual, self.dtype),
            rectify=self.rectify,
            activation=self.activation,
        )

    def _tile_for(self, x: Tensor) -> bool:
        """Take the tiled form of the weights, if the first large input comes."""
        n, _, height, width = x.shape
        if x.device.type != "cpu" or n * down(height) * down(width) < LEAST_TILES:
            self.exact = None
            return False
        # from float32 weights also in bfloat16: filters made of rounded weights would be rounded twice
        weight = self.weight.to_dense() if self.exact is None else self.exact
        self.filters = tiled_filters(weight, self.dtype)
        self.weight, self.exact = self.weight.new_empty(0), None
        return True


def packed_conv(
    conv: nn.Conv2d, activation: Activation = "none", dtype: torch.dtype = torch.float32, *, rectify: bool = False
) -> PackedConv | WinogradConv:
    """The packed form of a convolution that is the faster one."""
    return (WinogradConv if suits(conv, dtype) else PackedConv)(conv, activation, dtype, rectify=rectify)


def suits(conv: nn.Conv2d, dtype: torch.dtype) -> bool:
    """Whether a convolution can be tiled (3x3, stride 1, padding 1), and has the channels to gain from it."""
    where = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    if where != ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros") or dtype not in (torch.float32, torch.bfloat16):
        return False
    wide = min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS
    return wide and conv.in_channels % LANES == 0 and conv.out_channels % PANEL == 0 and native.used()


def tiled_filters(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """G g Gᵀ of weights [out, in, 3, 3], in the order in which they are multiplied.

    Returns:
        [out / PANEL, 36, in, PANEL] in float32, [out / PANEL, 36, in / 2, PANEL, 2] in bfloat16.
    """
    g = filter_matrix()
    return native.in_panels(torch.einsum("ia,ocab,jb->ijco", g, weight.double(), g).flatten(0, 1), dtype)


def down(pixels: int) -> int:
    """Number of 4-pixel tiles that are needed to cover ``pixels`` rows or columns: the quotient, rounded up."""
    return -(-pixels // STEP)
