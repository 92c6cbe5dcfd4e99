"""3x3 convolution by Winograd's minimal filtering F(2x2, 3x3): 16 instead of 36 products per 2x2 outputs.

Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for 4x4 input tiles d with a stride of 2 (Lavin & Gray 2016, arXiv 1509.09308). The 16
products over the channels are one grouped 1x1 convolution; the transforms are sums of shifted views. The error is of
the size of the direct convolution's own rounding.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.direct import DirectConv
from harness.modeling.packing import Activation, PackedConv

# Rows of a tile are held in the order 0, 3, 1, 2, and row 3 with the other sign, so that both transforms take three
# operations: Bᵀd = (d0 − d2, d1 − d3, d1 + d2, d2 − d1) and Aᵀm = (m0, m3) + (m1 + m2, m1 − m2).
FILTER = torch.tensor([[1, 0, 0], [0, 0, -1], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5]], dtype=torch.float64)


class WinogradConv(nn.Module):
    """A packed 3x3 convolution with stride 1 and padding 1: activation(conv(x) + residual).

    Off the CPU, and where oneDNN is missing, it is the ordinary convolution.

    Args:
        conv: the convolution, which is not changed.
        activation: applied after the residual sum.
        dtype: of weights and output.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation = "none", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if not suits(conv):
            raise ValueError(f"only a 3x3 convolution with stride 1 and padding 1 is computed in tiles, got {conv}")
        self.activation, self.dtype = activation, dtype
        self.direct: PackedConv | None = PackedConv(conv, activation, dtype)
        self.filter = conv.weight.detach(), cast(Tensor, conv.bias).detach()
        self.grouped: PackedConv | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [N, C, H, W] and, if any, a residual of the output's shape."""
        if self.grouped is None:
            if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
                return cast(PackedConv, self.direct)(x, residual)
            self.grouped, self.direct = DirectConv(grouped_conv(*self.filter), dtype=self.dtype), None
            del self.filter
        height, width = x.shape[-2:]
        out = from_tiles(self.grouped(to_tiles(x.to(self.dtype))))
        if out.shape[-2:] != x.shape[-2:]:
            out = out[:, :, :height, :width].contiguous(memory_format=torch.channels_last)
        if residual is not None:
            out += residual
        if self.activation == "none":
            return out
        return F.relu_(out) if self.activation == "relu" else F.gelu(out)


TILED_CHANNELS = {torch.float32: 256, torch.bfloat16: 512}
"""Input channels from which the tiled form is the faster one at stride 16 (its transforms cost memory traffic)."""


def fast_conv(
    conv: nn.Conv2d, activation: Activation = "none", dtype: torch.dtype = torch.float32
) -> PackedConv | WinogradConv:
    """The packed form of a convolution that is the faster one on maps at stride 16."""
    wide = dtype in TILED_CHANNELS and conv.in_channels >= TILED_CHANNELS[dtype] and conv.out_channels >= 256
    form = WinogradConv if wide and suits(conv) else PackedConv
    return form(conv, activation, dtype)


def suits(conv: nn.Conv2d) -> bool:
    """Whether a convolution is 3x3 with stride 1, padding 1 and a bias."""
    where = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    return where == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros") and conv.bias is not None


def grouped_conv(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """The products over channels of all 16 tile positions: weight [out, in, 3, 3], bias [out] → grouped 1x1 conv.

    The bias joins position (1, 1), which every output of the tile sums up once.
    """
    outputs, inputs = weight.shape[:2]
    filters = torch.einsum("ia,ocab,jb->ijoc", FILTER, weight.double(), FILTER).to(weight.dtype)
    conv = nn.Conv2d(16 * inputs, 16 * outputs, 1, groups=16, device="meta").eval()
    conv.weight = nn.Parameter(filters.reshape(-1, inputs, 1, 1), requires_grad=False)
    biases = bias.new_zeros(4, 4, outputs)
    biases[2, 2] = bias
    conv.bias = nn.Parameter(biases.flatten(), requires_grad=False)
    return conv


def to_tiles(x: Tensor) -> Tensor:
    """Bᵀ d B of every 4x4 tile with a stride of 2: [N, C, H, W] → [N, 16 C, ⌈H/2⌉, ⌈W/2⌉], channels-last."""
    n, c, height, width = x.shape
    h, w = -(-height // 2), -(-width // 2)
    # d: N 2h+2 2w+2 C
    d = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + 2 * w - width, 1, 1 + 2 * h - height))
    rows = x.new_empty(n, h, 4, 2 * w + 2, c)
    torch.sub(d[:, :-2].unflatten(1, (h, 2)), d[:, 2:].unflatten(1, (h, 2)), out=rows[:, :, :2])
    torch.add(d[:, 1:-1:2], d[:, 2::2], out=rows[:, :, 2])
    torch.sub(d[:, 2::2], d[:, 1:-1:2], out=rows[:, :, 3])
    tiles = x.new_empty(n, h, w, 4, 4, c)
    out = tiles.permute(0, 1, 3, 2, 4, 5)  # N h 4 w 4 C
    left, right = rows[:, :, :, 1:-1:2], rows[:, :, :, 2::2]
    torch.sub(rows[:, :, :, :-2].unflatten(3, (w, 2)), rows[:, :, :, 2:].unflatten(3, (w, 2)), out=out[..., :2, :])
    torch.add(left, right, out=out[..., 2, :])
    torch.sub(right, left, out=out[..., 3, :])
    return tiles.view(n, h, w, 16 * c).permute(0, 3, 1, 2)


def from_tiles(tiles: Tensor) -> Tensor:
    """Aᵀ m A of every tile: [N, 16 C, h, w], channels-last → [N, C, 2h, 2w], channels-last."""
    n, _, h, w = tiles.shape
    m = tiles.permute(0, 2, 3, 1).unflatten(3, (4, 4, -1))  # N h w 4 4 C
    c = m.shape[-1]
    rows = m.new_empty(n, h, w, 2, 4, c)
    torch.add(m[:, :, :, 2], m[:, :, :, 3], out=rows[:, :, :, 0])
    torch.sub(m[:, :, :, 2], m[:, :, :, 3], out=rows[:, :, :, 1])
    rows += m[:, :, :, :2]
    out = m.new_empty(n, h, 2, w, 2, c)
    y = out.permute(0, 1, 3, 2, 4, 5)  # N h w 2 2 C
    torch.add(rows[..., 2, :], rows[..., 3, :], out=y[..., 0, :])
    torch.sub(rows[..., 2, :], rows[..., 3, :], out=y[..., 1, :])
    y += rows[..., :2, :]
    return out.view(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)
