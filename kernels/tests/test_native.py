"""Each kernel in C computes what the ordinary operators do, for all sizes, types and numbers of threads."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import subprocess
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from echobench_kernels import native
from echobench_kernels.packed_layers import PackedConv, PackedLinear
from echobench_kernels.winograd import WinogradConv, packed_conv
from torch import Tensor, nn

needs_kernels = pytest.mark.skipif(native._native is None, reason="the package was installed without a C compiler")
TOLERANCE = {torch.float32: dict(atol=1e-5, rtol=1e-5), torch.bfloat16: dict(atol=0.02, rtol=0.01)}
ACTIVATIONS = {"none": lambda x: x, "relu": F.relu, "gelu": F.gelu}


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def channels_last(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)


@needs_kernels
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", [(1, 6, 1), (16, 64, 32), (5, 32, 100), (700, 6, 17), (2000, 130, 40)], ids=str)
def test_rows_times_a_matrix(
    shape: tuple[int, int, int], dtype: torch.dtype, activation: native.Activation, residual: bool, threads: int
) -> None:
    rows, inputs, outputs = shape
    layer, x = nn.Linear(inputs, outputs), torch.randn(rows, inputs)
    added = torch.randn(rows, outputs) if residual else None
    packed = PackedLinear(layer, activation, dtype)
    assert packed.panels is not None
    expected = layer.double()(x.double())
    expected = ACTIVATIONS[activation](expected if added is None else expected + added.double())
    out = packed(x, added)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), expected, **TOLERANCE[dtype])


@needs_kernels
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("rectify", [False, True])
def test_a_pointwise_convolution_is_a_product_of_pixels_and_stays_in_channels_last_layout(
    rectify: bool, residual: bool, dtype: torch.dtype
) -> None:
    conv, x = nn.Conv2d(24, 40, 1), torch.randn(2, 24, 5, 7)
    added = torch.randn(2, 40, 5, 7) if residual else None
    packed = PackedConv(conv, "relu", dtype, rectify=rectify)
    assert packed.panels is not None
    expected = conv(F.relu(x) if rectify else x) + (0 if added is None else added)
    out = packed(x, added)
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out.float(), F.relu(expected), **TOLERANCE[dtype])


@needs_kernels
@pytest.mark.parametrize("options", [{"stride": 2}, {"padding": 1}, {"groups": 2}], ids=str)
def test_other_convolutions_of_one_pixel_are_not(options: dict[str, int]) -> None:
    conv, x = nn.Conv2d(8, 8, 1, **options), torch.randn(1, 8, 4, 4)  # type: ignore[arg-type]
    packed = PackedConv(conv)
    assert packed.panels is None
    torch.testing.assert_close(packed(x), conv(x), atol=1e-5, rtol=1e-5)


@needs_kernels
@pytest.mark.parametrize("shape", [(3, 4, 6), (2, 3, 4, 6)], ids=str)
def test_a_linear_layer_takes_any_leading_dimensions_and_strides(shape: tuple[int, ...]) -> None:
    layer, x = nn.Linear(6, 9), torch.randn(shape[::-1]).permute(*reversed(range(len(shape))))
    added = torch.randn(*shape[:-1], 9)
    torch.testing.assert_close(PackedLinear(layer)(x, added), layer(x) + added)


@needs_kernels
def test_odd_inputs_in_bfloat16_go_the_ordinary_way() -> None:
    layer, x = nn.Linear(7, 4), torch.randn(3, 7)
    packed = PackedLinear(layer, dtype=torch.bfloat16)
    assert packed.panels is None
    torch.testing.assert_close(packed(x).float(), layer(x), **TOLERANCE[torch.bfloat16])


@needs_kernels
def test_gelu_is_the_exact_one_over_its_whole_range() -> None:
    x = torch.cat([torch.linspace(-14, 14, 100_001), torch.tensor([0.0, -1e30, 1e30, float("inf")])]).unsqueeze(1)
    out = PackedLinear(_identity(), "gelu")(x).squeeze(1).double()
    expected = x.squeeze(1).double() * torch.special.ndtr(x.squeeze(1).double())
    expected[x.squeeze(1) < -1e20] = 0
    torch.testing.assert_close(out, expected, atol=3e-7, rtol=1e-6)


@needs_kernels
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_stays_nan(activation: native.Activation) -> None:
    assert PackedLinear(_identity(), activation)(torch.tensor([[float("nan")]])).isnan().all()


def _identity() -> nn.Linear:
    layer = nn.Linear(1, 1)
    layer.weight.fill_(1)
    layer.bias.zero_()
    return layer


@needs_kernels
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 16)], ids=str)
@pytest.mark.parametrize("taps", [1, 3, 5])
def test_gated_channels(taps: int, size: tuple[int, int], dtype: torch.dtype, threads: int) -> None:
    x, branch = channels_last(2, 48, *size, dtype=dtype), channels_last(2, 48, *size, dtype=dtype)
    kernel = torch.randn(1, 1, taps)
    pooled = branch.double().mean((-2, -1)).unsqueeze(1)
    gate = torch.sigmoid(F.conv1d(pooled, kernel.double(), padding=taps // 2)).transpose(1, 2).unsqueeze(-1)
    expected = x.double() + gate * branch.double()
    other = native.gate_channels(x.contiguous(), branch.contiguous().clone(), kernel)
    torch.testing.assert_close(other.double(), expected, **TOLERANCE[dtype])
    torch.testing.assert_close(native.gate_channels(x, branch, kernel).double(), expected, **TOLERANCE[dtype])


@needs_kernels
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_gates_of_a_hidden_map_over_the_whole_range_of_their_inputs(dtype: torch.dtype, threads: int) -> None:
    maps, hidden = (40 * channels_last(2, 3 * 16, 9, 5)).to(dtype), channels_last(2, 16, 9, 5)
    forget, update, new = maps.double().chunk(3, 1)
    update = torch.sigmoid(update)
    expected = torch.sigmoid(forget) * hidden.double() * (1 - update) + update * torch.tanh(new)
    before = hidden.clone()
    torch.testing.assert_close(native.update_hidden(maps, hidden).double(), expected, atol=1e-6, rtol=1e-6)
    assert torch.equal(hidden, before)
    torch.testing.assert_close(
        native.update_hidden(maps.contiguous(), hidden.contiguous()).double(), expected, atol=1e-6, rtol=1e-6
    )


def zeros(*shape: int) -> Tensor:
    images = len(shape) == 4
    return torch.zeros(shape).contiguous(memory_format=torch.channels_last if images else torch.contiguous_format)


REFUSED = {
    "inputs must be a positive multiple of 16, got 10": lambda: native.convolve(
        zeros(1, 10, 4, 4), torch.zeros(36 * 10 * 32), torch.zeros(32)
    ),
    "outputs must be a positive multiple of 32, got 20": lambda: native.convolve(
        zeros(1, 16, 4, 4), torch.zeros(36 * 16 * 20), torch.zeros(20)
    ),
    "channels must be a positive multiple of 16, got 8": lambda: native.gate_channels(
        zeros(1, 8, 2, 2), zeros(1, 8, 2, 2), torch.zeros(3)
    ),
    "images .* do not fit 16 channels in, 16 out": lambda: native.gate_channels(
        zeros(1, 16, 2, 3), zeros(1, 16, 2, 2), torch.zeros(3)
    ),
    "maps .* do not fit 48 channels in, 16 out": lambda: native.update_hidden(zeros(1, 32, 2, 2), zeros(1, 16, 2, 2)),
    "weights .* do not fit 5 channels in, 4 out": lambda: PackedLinear(nn.Linear(4, 4))(torch.zeros(2, 5)),
    "residual .* do not fit 4 channels in, 4 out": lambda: PackedLinear(nn.Linear(4, 4))(zeros(2, 4), zeros(1, 4)),
    "weights .* do not fit 32 channels in, 64 out": lambda: tiled()(zeros(1, 32, 16, 16)),
    "residual .* do not fit 64 channels in, 64 out": lambda: tiled()(zeros(1, 64, 16, 16), zeros(1, 64, 16, 1)),
    "got a tensor on meta": lambda: PackedLinear(nn.Linear(4, 4))(torch.zeros(1, 4, device="meta")),
}


def tiled() -> WinogradConv:
    return WinogradConv(nn.Conv2d(64, 64, 3, padding=1))


@needs_kernels
@pytest.mark.parametrize("reason", REFUSED)
def test_the_kernels_refuse_what_they_would_misread(reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        REFUSED[reason]()


def test_without_kernels_the_ordinary_forms_are_taken_and_a_warning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_native", None)
    native.compiled.cache_clear()
    try:
        with pytest.warns(UserWarning, match="without a C compiler"):
            assert type(packed_conv(nn.Conv2d(64, 64, 3, padding=1))) is PackedConv
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it is said once
            assert PackedLinear(nn.Linear(4, 4)).panels is None
            assert PackedConv(nn.Conv2d(4, 4, 1)).panels is None
    finally:
        native.compiled.cache_clear()


@needs_kernels
def test_the_bytes_of_weights_in_panels_and_tiles_are_counted() -> None:
    assert _bytes(PackedLinear(nn.Linear(64, 64))) == 4 * (64 * 64 + 64)
    layer = WinogradConv(nn.Conv2d(64, 64, 3, padding=1), dtype=torch.bfloat16)
    layer(torch.randn(1, 64, 32, 32))
    assert _bytes(layer) == 2 * (36 * 64 * 64 + 64)


def _bytes(layer: nn.Module) -> int:
    return sum(buffer.nbytes for buffer in layer.buffers())


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The kernels without anything of this processor's own, as other processors run them."""
    compiler, folder = shutil.which("cc"), tmp_path_factory.mktemp("portable")
    if compiler is None or native._native is None:
        pytest.skip("no C compiler on this machine, or none when the package was installed")
    sources = sorted(map(str, (Path(native.__file__).parent / "csrc").glob("*.c")))
    library = folder / "_native.so"
    flags = ["-O2", "-fPIC", "-shared", "-Wno-psabi", "-DPORTABLE", f"-I{sysconfig.get_path('include')}"]
    subprocess.run([compiler, *flags, *sources, "-o", str(library)], check=True, capture_output=True)
    loader = importlib.machinery.ExtensionFileLoader("_native", str(library))
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec("_native", loader, origin=str(library)))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_kernels_compute_the_same_on_any_processor_and_without_openmp(
    dtype: torch.dtype, portable: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear, conv, x = nn.Linear(70, 33), nn.Conv2d(64, 64, 3, padding=1), torch.randn(2, 64, 18, 13)
    rows, maps = torch.randn(50, 70), channels_last(1, 96, 6, 6, dtype=dtype)
    branch, hidden, taps = channels_last(1, 32, 6, 6, dtype=dtype), channels_last(1, 32, 6, 6), torch.randn(3)

    def results() -> list[Tensor]:
        layers = PackedLinear(linear, "gelu", dtype)(rows), WinogradConv(conv, "relu", dtype)(x)
        return [*layers, native.gate_channels(branch, branch.clone(), taps), native.update_hidden(maps, hidden)]

    expected = results()
    monkeypatch.setattr(native, "_native", portable)
    for own, other in zip(results(), expected, strict=True):
        torch.testing.assert_close(own, other, atol=0.02 if dtype == torch.bfloat16 else 1e-5, rtol=0.01)


@pytest.mark.parametrize(("capability", "packed"), [("AVX512", True), ("AVX2", False), ("DEFAULT", False)])
def test_the_kernels_are_used_on_the_processors_that_they_were_written_for(
    capability: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # of the fixture that has them used everywhere
    if native._native is None:
        pytest.skip("the package was installed without a C compiler")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    conv, x = nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 16, 16)
    assert native.used() is packed
    assert (PackedLinear(nn.Linear(4, 4)).panels is not None) is packed
    layer = packed_conv(conv)
    assert isinstance(layer, WinogradConv) is packed
    with torch.no_grad():
        torch.testing.assert_close(layer(x), conv(x), atol=1e-4, rtol=1e-4)
