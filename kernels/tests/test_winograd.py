"""Convolution in tiles equals the direct one, for all sizes, activations and residuals; the tiles are those of the paper."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from echobench_kernels import native, winograd
from echobench_kernels.packed_layers import PackedConv
from echobench_kernels.packing import pack
from echobench_kernels.winograd import WinogradConv, filter_matrix, packed_conv, tiled_filters
from torch import Tensor, nn

pytestmark = pytest.mark.skipif(native._native is None, reason="the package was installed without a C compiler")

TOLERANCE = {torch.float32: dict(atol=2e-5, rtol=1e-5), torch.bfloat16: dict(atol=0.15, rtol=0.0)}
SIZES = [(4, 4), (16, 20), (5, 7), (1, 1), (3, 18), (9, 2)]
ACTIVATIONS = {"none": lambda x: x, "relu": F.relu, "gelu": F.gelu}


@pytest.fixture(autouse=True)
def _any_number_of_tiles(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(winograd, "LEAST_TILES", 1)
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def exact(conv: nn.Conv2d, x: Tensor, residual: Tensor | None, activation: str) -> Tensor:
    """The direct convolution in float64."""
    out = F.conv2d(x.double(), conv.weight.double(), None if conv.bias is None else conv.bias.double(), padding=1)
    return ACTIVATIONS[activation](out if residual is None else out + residual.double())


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_give_the_direct_convolution_in_float64(
    size: tuple[int, int], dtype: torch.dtype, activation: str, residual: bool
) -> None:
    conv, x = nn.Conv2d(80, 96, 3, padding=1), torch.randn(2, 80, *size)
    added = torch.randn(2, 96, *size) if residual else None
    tiled = WinogradConv(conv, activation, dtype)
    for _ in range(2):
        out = tiled(x, added)
        torch.testing.assert_close(out.double(), exact(conv, x, added, activation), **TOLERANCE[dtype])
    assert tiled.filters is not None
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("tiles", [1, 10**6])
def test_the_input_can_be_rectified_first_in_either_form(
    dtype: torch.dtype, tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "LEAST_TILES", tiles)
    conv, x = nn.Conv2d(64, 64, 3, padding=1, bias=False), torch.randn(1, 64, 6, 9)
    out = WinogradConv(conv, dtype=dtype, rectify=True)(x)
    torch.testing.assert_close(out.double(), exact(conv, F.relu(x), None, "none"), **TOLERANCE[dtype])


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("band_bytes", [1, 1_000_000, 2**30])
@pytest.mark.parametrize("outputs", [32, 192])
def test_bands_of_any_height_and_any_number_of_threads_give_the_same(
    outputs: int, band_bytes: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv, x, added = nn.Conv2d(64, outputs, 3, padding=1), torch.randn(3, 64, 41, 30), torch.randn(3, outputs, 41, 30)
    monkeypatch.setattr(native, "BAND_BYTES", band_bytes)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out = WinogradConv(conv, "relu")(x, added)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(out.double(), exact(conv, x, added, "relu"), **TOLERANCE[torch.float32])


def test_filters_are_evaluated_at_the_stated_points() -> None:
    # G g Gᵀ at two finite points (0.75, -1.5) is the kernel's polynomial there, over the products of their distances.
    kernel = torch.randn(32, 32, 3, 3)
    filters = tiled_filters(kernel, torch.float32)
    assert filters.shape == (1, 36, 32, 32)
    points = torch.tensor([0.0, 0.75, -0.75, 1.5, -1.5], dtype=torch.float64)
    row, column = 1, 4
    powers = torch.stack([points**power for power in range(3)])
    value = torch.einsum("a,ocab,b->co", powers[:, row], kernel.double(), powers[:, column])
    for point in (row, column):
        value /= torch.prod(points[point] - points[torch.arange(5) != point])
    torch.testing.assert_close(filters[0, 6 * row + column].double(), value, atol=1e-6, rtol=1e-6)
    assert filter_matrix()[5].tolist() == [0, 0, 1]  # the point at infinity


def test_float32_tiles_round_ten_times_as_much_as_the_direct_form_at_most_and_bfloat16_ones_stay_below_two_percent() -> (
    None
):
    conv, x = nn.Conv2d(256, 256, 3, padding=1), torch.randn(1, 256, 16, 16)
    expected = exact(conv, x, None, "none")

    def error(out: Tensor) -> float:
        return float((out.double() - expected).square().mean().sqrt() / expected.square().mean().sqrt())

    assert error(WinogradConv(conv)(x)) < 10 * error(F.conv2d(x, conv.weight, conv.bias, padding=1))
    assert error(PackedConv(conv, dtype=torch.bfloat16)(x)) < error(WinogradConv(conv, dtype=torch.bfloat16)(x)) < 0.02


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_what_is_not_finite_stays_visible(value: float, dtype: torch.dtype) -> None:
    conv, x = nn.Conv2d(64, 64, 3, padding=1), torch.zeros(1, 64, 8, 8)
    x[0, 3, 2, 2] = value
    assert not WinogradConv(conv, dtype=dtype)(x)[0, :, 1:4, 1:4].isfinite().any()


def test_only_wide_3x3_convolutions_go_in_tiles() -> None:
    kinds = [
        (nn.Conv2d(64, 128, 3, padding=1), torch.float32, WinogradConv),
        (nn.Conv2d(64, 128, 3, padding=1, bias=False), torch.bfloat16, WinogradConv),
        (nn.Conv2d(64, 128, 3, padding=1), torch.float16, PackedConv),
        (nn.Conv2d(48, 32, 3, padding=1), torch.float32, WinogradConv),
        (nn.Conv2d(40, 128, 3, padding=1), torch.float32, PackedConv),
        (nn.Conv2d(16, 64, 3, padding=1), torch.float32, PackedConv),
        (nn.Conv2d(64, 80, 3, padding=1), torch.float32, PackedConv),
        (nn.Conv2d(64, 64, 3), torch.float32, PackedConv),
        (nn.Conv2d(64, 64, 3, stride=2, padding=1), torch.float32, PackedConv),
        (nn.Conv2d(64, 64, 3, padding=1, groups=2), torch.float32, PackedConv),
        (nn.Conv2d(64, 64, 1), torch.float32, PackedConv),
    ]
    assert [type(packed_conv(conv, dtype=dtype)) for conv, dtype, _ in kinds] == [kind for _, _, kind in kinds]
    with pytest.raises(ValueError, match="only wide 3x3 convolutions with stride and padding 1"):
        WinogradConv(nn.Conv2d(4, 4, 1))


def test_small_inputs_take_the_direct_form_until_a_large_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "LEAST_TILES", 16)
    conv = nn.Conv2d(64, 64, 3, padding=1)
    layer = WinogradConv(conv)
    for size, tiled in ((8, False), (12, False), (16, True), (4, True)):
        x = torch.randn(1, 64, size, size)
        torch.testing.assert_close(layer(x).double(), exact(conv, x, None, "none"), **TOLERANCE[torch.float32])
        assert (layer.filters is not None) == tiled


def test_a_copy_of_a_layer_that_has_run_works_and_shares_the_weights() -> None:
    conv, x = nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 8, 8)
    layer = WinogradConv(conv)
    first = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x), first)


def test_a_chain_of_convolution_and_activation_becomes_one_tiled_layer() -> None:
    chain = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()).eval()
    x = torch.randn(1, 64, 8, 8)
    expected = chain(x)
    pack(chain, torch.float32)
    assert [type(module) for module in chain] == [WinogradConv, nn.Identity]
    torch.testing.assert_close(chain(x), expected, **TOLERANCE[torch.float32])
