"""Convolution in tiles equals the direct one, for all sizes, activations and residuals; the tiles are those of the paper."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.modeling import winograd
from harness.modeling.packed_layers import PackedConv
from harness.modeling.packing import pack
from harness.modeling.winograd import WinogradConv, bands, filter_matrix, packed_conv, to_tiles

pytestmark = pytest.mark.skipif(winograd._tiles is None, reason="the package was installed without a C compiler")

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
    conv, x = nn.Conv2d(64, 80, 3, padding=1), torch.randn(2, 64, *size)
    added = torch.randn(2, 80, *size) if residual else None
    tiled = WinogradConv(conv, activation, dtype)
    for _ in range(2):
        out = tiled(x, added)
        torch.testing.assert_close(out.double(), exact(conv, x, added, activation), **TOLERANCE[dtype])
    assert tiled.tiled is not None
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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("band_bytes", [1, 100_000, 2**30])
def test_bands_of_any_height_and_any_number_of_threads_give_the_same(
    band_bytes: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv, x, added = nn.Conv2d(64, 64, 3, padding=1), torch.randn(3, 64, 21, 10), torch.randn(3, 64, 21, 10)
    monkeypatch.setattr(winograd, "BAND_BYTES", band_bytes)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out = WinogradConv(conv, "relu")(x, added)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(out.double(), exact(conv, x, added, "relu"), **TOLERANCE[torch.float32])


@pytest.mark.parametrize(("images", "rows", "row_bytes"), [(5, 7, 1), (2, 64, 2**19), (3, 16, 2**17), (1, 13, 2**21)])
def test_bands_cover_every_row_of_every_image_once(images: int, rows: int, row_bytes: int) -> None:
    covered = [
        (image, row)
        for some, lines in bands(images, rows, row_bytes)
        for image in range(some.start, some.stop)
        for row in range(lines.start, lines.stop)
    ]
    assert sorted(covered) == [(image, row) for image in range(images) for row in range(rows)]


def test_the_transforms_are_the_inverse_of_interpolation_at_the_stated_points() -> None:
    # What tiles promise, in exact arithmetic: for one channel, sum over positions of (G g)·(Bᵀ d) is a correlation.
    shape = (1, winograd.LANES, 4, 4)
    image = torch.randn(shape).contiguous(memory_format=torch.channels_last)
    kernel, g = torch.randn(3, 3, dtype=torch.float64), filter_matrix()
    tile = to_tiles(image, slice(0, 1)).flatten().view(36, winograd.LANES).double()
    products = ((g @ kernel @ g.T).reshape(36, 1) * tile).float().view(1, -1, 1, 1)
    out = torch.empty(shape).contiguous(memory_format=torch.channels_last)
    winograd.from_tiles(products, out, 0, torch.zeros(winograd.LANES), None, relu=False)
    expected = F.conv2d(image.double().transpose(0, 1), kernel[None, None], padding=1).transpose(0, 1)
    torch.testing.assert_close(out.double(), expected, atol=1e-5, rtol=1e-5)


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
        (nn.Conv2d(48, 128, 3, padding=1), torch.float32, PackedConv),
        (nn.Conv2d(64, 72, 3, padding=1), torch.float32, PackedConv),
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
        assert (layer.tiled is not None) == tiled


def test_a_copy_of_a_layer_that_has_run_works_and_shares_the_weights() -> None:
    conv, x = nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 8, 8)
    layer = WinogradConv(conv)
    first = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x), first)


def test_without_compiled_transforms_the_direct_form_is_taken_and_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(winograd, "_tiles", None)
    winograd.can_tile.cache_clear()
    conv = nn.Conv2d(64, 64, 3, padding=1)
    try:
        with pytest.warns(UserWarning, match="without a C compiler"):
            assert type(packed_conv(conv)) is PackedConv
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert type(packed_conv(conv)) is PackedConv  # it is said once
    finally:
        winograd.can_tile.cache_clear()


def test_the_compiled_transforms_refuse_channels_that_do_not_fill_their_lanes() -> None:
    with pytest.raises(ValueError, match="channels must be a multiple of 16"):
        to_tiles(torch.zeros(1, 10, 4, 4), slice(0, 1))


def test_a_chain_of_convolution_and_activation_becomes_one_tiled_layer() -> None:
    chain = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()).eval()
    x = torch.randn(1, 64, 8, 8)
    expected = chain(x)
    pack(chain, torch.float32)
    assert [type(module) for module in chain] == [WinogradConv, nn.Identity]
    torch.testing.assert_close(chain(x), expected, **TOLERANCE[torch.float32])
