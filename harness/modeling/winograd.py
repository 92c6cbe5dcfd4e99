"""3x3 convolution by Winograd's minimal filtering F(4 x 4, 3 x 3): 36 instead of 144 products per 4 x 4 outputs.

Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for input tiles d of 6 x 6 pixels with a stride of 4 (Lavin & Gray 2016, arXiv 1509.09308). The
products over the channels at the 36 positions of a tile are one grouped 1x1 convolution of oneDNN; the transforms, always
in float32, are in ``_tiles.c``. With the points 0, ±3/4, ±3/2, ∞ the rounding error is half of that with the usual 0, ±1,
±2, ∞ (the choice of points: Barabasz et al. 2020, arXiv 1803.10986): in float32 two to three times the direct
convolution's own, in bfloat16 1.3 % of the output against 0.3 % (``benchmarks/winograd.py``). Filters take four times the
direct convolution's memory.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from harness.modeling.packed_layers import Activation, PackedConv, finish

try:
    import harness.modeling._tiles as _tiles
except ImportError:  # installed where there is no C compiler
    _tiles = None  # type: ignore[assignment]

BAND_BYTES = 4 * 2**20
"""Size of the transformed tiles that are computed in one go: more fall out of the processor's caches."""
LANES = 16
"""Channels come in multiples of this."""
STEP, SIZE = 4, 6
"""Rows and columns of the pixels that a tile gives, and that it takes."""
NEAR, FAR = 0.75, 1.5
"""The finite points of the interpolation are 0, ±NEAR and ±FAR; ``_tiles.c`` has the same."""
LEAST_CHANNELS, LEAST_TILES = 64, 16
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

    It holds one form of the weights: the direct one until an input comes that has tiles enough to gain. Off the CPU, and
    where oneDNN is missing, it is the ordinary convolution.

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
        self.filter: Tensor | None = conv.weight.detach() if conv.weight.device.type == "cpu" else None
        self.tiled: PackedConv | None = None
        self.cut_for: torch.Size | None = None
        self.cuts: list[tuple[slice, slice]] = []

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [N, C, H, W] and, if any, a residual of the output's shape."""
        if x.shape != self.cut_for and not self._cut(x):
            return super().forward(x, residual)
        x = in_rows(x, self.dtype)
        out = torch.empty(
            (len(x), self.out_channels, *x.shape[2:]), dtype=self.dtype, memory_format=torch.channels_last
        )
        added = None if residual is None else in_rows(residual, self.dtype)
        for some, rows in self.cuts:
            products = self.products(to_tiles(x[some], rows, relu=self.rectify))
            more = None if added is None else added[some]
            from_tiles(products, out[some], rows.start, self.bias, more, relu=self.activation == "relu")
        return finish(out, None, self) if self.activation == "gelu" else out

    def products(self, tiles: Tensor) -> Tensor:
        """The products over the channels at every position of the tiles [N, 36 C, rows, columns]."""
        assert self.tiled is not None
        return self.tiled(tiles).contiguous(memory_format=torch.channels_last)

    def _cut(self, x: Tensor) -> bool:
        """Cut inputs of this size into bands, if it is computed in tiles."""
        n, c, height, width = x.shape
        rows, columns = down(height), down(width)
        if self.tiled is None and not (n * rows * columns >= LEAST_TILES and _takes(x)):
            self.filter = None
            return False
        if self.tiled is None:
            weight = self.weight.to_dense() if self.filter is None else self.filter
            self.tiled = PackedConv(grouped_conv(weight), dtype=self.dtype)
            self.weight, self.filter = self.weight.new_empty(0), None
        self.cuts = list(bands(n, rows, SIZE**2 * columns * max(c, self.out_channels) * self.dtype.itemsize))
        self.cut_for = x.shape
        return True


def _takes(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.backends.mkldnn.is_available()


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
    widths = (conv.in_channels, conv.out_channels)
    return all(width >= LEAST_CHANNELS and width % LANES == 0 for width in widths) and can_tile()


@functools.cache
def can_tile() -> bool:
    """Whether the transforms were compiled when the package was installed; warns, once, where they were not."""
    if _tiles is None:
        warnings.warn(
            "echobench was installed without a C compiler: wide 3x3 convolutions are computed directly, and inference on "
            "the CPU takes longer (GDKVM by a third); install gcc and run `pip install -e .` again.",
            stacklevel=2,
        )
    return _tiles is not None


def grouped_conv(weight: Tensor) -> nn.Conv2d:
    """The products over channels of all tile positions: weight [out, in, 3, 3] → grouped 1x1 convolution, float32."""
    outputs, inputs = weight.shape[:2]
    g = filter_matrix()
    filters = torch.einsum("ia,ocab,jb->ijoc", g, weight.double(), g).float()
    conv = nn.Conv2d(SIZE**2 * inputs, SIZE**2 * outputs, 1, groups=SIZE**2, bias=False, device="meta").eval()
    conv.weight = nn.Parameter(filters.reshape(-1, inputs, 1, 1), requires_grad=False)
    return conv


def down(pixels: int) -> int:
    """Tiles that cover so many pixels."""
    return -(-pixels // STEP)


def bands(images: int, rows: int, row_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Cut the tiles of images into equal pieces of ``BAND_BYTES``: whole images, or rows of one where that is too much."""
    at_once = max(1, BAND_BYTES // row_bytes)
    some = rows if at_once >= rows else next(n for n in range(at_once, 0, -1) if rows % n == 0 or 2 * n <= at_once)
    group = max(1, min(images, at_once // rows)) if some == rows else 1
    for image in range(0, images, group):
        for row in range(0, rows, some):
            yield slice(image, min(image + group, images)), slice(row, min(row + some, rows))


def in_rows(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Images [N, C, H, W] of a type, channels-last and contiguous: the same tensor where they are that already."""
    return images.to(dtype).contiguous(memory_format=torch.channels_last)


def to_tiles(images: Tensor, rows: slice, *, relu: bool = False) -> Tensor:
    """Bᵀ d B of the tiles in some rows of tiles: images [N, C, H, W] → [N, 36 C, rows, columns], both channels-last.

    With ``relu`` the images go through a ReLU first.
    """
    n, c, height, width = images.shape
    count, columns = rows.stop - rows.start, down(width)
    tiles = torch.empty((n, SIZE**2 * c, count, columns), dtype=images.dtype, memory_format=torch.channels_last)
    _tiles.to_tiles(
        images.data_ptr(), 0, 0, tiles.data_ptr(), n, height, width, c, rows.start, count, columns,
        relu, images.dtype is torch.bfloat16, torch.get_num_threads(),
    )  # fmt: skip
    return tiles


def from_tiles(products: Tensor, out: Tensor, first: int, bias: Tensor, residual: Tensor | None, *, relu: bool) -> None:
    """Aᵀ m A of every tile: products [N, 36 C, rows, columns] into ``out`` [N, C, H, W], from row of tiles ``first``.

    Bias [C] and residual, of the output's shape, are added before the ReLU; all of one type and channels-last.
    """
    n, c, height, width = out.shape
    count, columns = products.shape[2:]
    _tiles.from_tiles(
        products.data_ptr(), bias.data_ptr(), 0 if residual is None else residual.data_ptr(), out.data_ptr(),
        n, height, width, c, first, count, columns, relu, out.dtype is torch.bfloat16, torch.get_num_threads(),
    )  # fmt: skip
