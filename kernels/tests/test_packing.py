"""Packed layers compute what the ordinary ones do, whatever the size, the activation and the residual."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from echobench_kernels import onednn
from echobench_kernels.copying import inference_copy, merge
from echobench_kernels.folding import fold_batch_norm
from echobench_kernels.packed_layers import PackedConv, PackedLinear
from echobench_kernels.packing import keep_float32, pack
from torch import Tensor, nn

from harness.modeling.precision import weight_dtype
from harness.modeling.residual import PreActivationResidual
from harness.modeling.resnet import ResNetTrunk

ACTIVATIONS = {"none": lambda x: x, "relu": F.relu, "gelu": F.gelu}


class Merged(nn.Sequential):
    """A model with something to merge before its norms are folded."""


@merge.register
def _(model: Merged) -> None:
    model.merged = True  # type: ignore[assignment]


def statistics_of_their_own(module: nn.Module) -> nn.Module:
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            nn.init.uniform_(child.weight, 0.5, 1.5)
            nn.init.normal_(child.bias)
            nn.init.normal_(child.running_mean)
            nn.init.uniform_(child.running_var, 0.5, 2)
    return module.eval()


@torch.inference_mode()
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"dilation": 2}, {"groups": 4}, {"bias": False}], ids=str)
def test_a_packed_convolution_computes_the_same(options: dict[str, int], activation: str, residual: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 12, 3, padding=1, **options)
    packed = PackedConv(conv, activation)  # type: ignore[arg-type]
    for shape in ((2, 8, 10, 12), (1, 8, 7, 5)):
        x = torch.randn(shape)
        out = conv(x)
        added = torch.randn_like(out) if residual else torch.zeros_like(out)
        expected = ACTIVATIONS[activation](out + added)
        torch.testing.assert_close(packed(x, added if residual else None), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_packed_linear_layer_computes_the_same() -> None:
    torch.manual_seed(0)
    linear, x, residual = nn.Linear(6, 9), torch.randn(2, 5, 6), torch.randn(2, 5, 9)
    torch.testing.assert_close(PackedLinear(linear)(x), linear(x))
    torch.testing.assert_close(PackedLinear(linear)(x, residual), linear(x) + residual)
    torch.testing.assert_close(PackedLinear(linear, "gelu")(x), F.gelu(linear(x)), atol=1e-5, rtol=1e-5)
    expected = F.relu(linear(x) + residual)
    torch.testing.assert_close(PackedLinear(linear, "relu")(x, residual), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_without_onednn_the_ordinary_operators_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    conv, linear = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(6, 6)
    x, residual = torch.randn(1, 4, 6, 6), torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(PackedConv(conv, "relu")(x, residual), F.relu(conv(x) + residual))
    torch.testing.assert_close(PackedLinear(linear, "gelu")(x), F.gelu(linear(x)))


@torch.inference_mode()
@pytest.mark.parametrize("depth", [18, 50])
def test_a_packed_trunk_gives_the_three_features(depth: int) -> None:
    torch.manual_seed(0)
    trunk = statistics_of_their_own(ResNetTrunk(depth, width=8))
    x = torch.rand(2, 1, 64, 48)
    fast = inference_copy(Merged(trunk))
    for feature, expected in zip(fast(x), trunk(x), strict=True):
        scale = float(expected.abs().max())
        torch.testing.assert_close(feature / scale, expected / scale, atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("widths", [(6, 6), (6, 10)])
def test_a_packed_pre_activation_block_computes_the_same(widths: tuple[int, int]) -> None:
    block = PreActivationResidual(*widths)
    x = torch.randn(1, 6, 8, 8)
    torch.testing.assert_close(inference_copy(Merged(block))(x), block(x), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_an_activation_is_fused_into_the_layer_before_it_and_no_other() -> None:
    layers = [
        nn.ReLU(),
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(4, 2, 1),
    ]
    chain = statistics_of_their_own(nn.Sequential(*layers))
    x = torch.randn(2, 3, 8, 8)
    expected = chain(x)
    pack(fold_batch_norm(chain), torch.float32)
    kinds = [type(layer) for layer in chain]
    assert kinds == [nn.ReLU, PackedConv, nn.Identity, nn.Identity, nn.MaxPool2d, nn.ReLU, PackedConv]
    torch.testing.assert_close(chain(x), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_named_parts_stay_float32_in_bf16() -> None:
    class Headed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x))

    keep_float32(Headed, "head")
    fast = inference_copy(Merged(Headed()), "bf16")
    assert weight_dtype(fast) == torch.bfloat16
    assert fast(torch.rand(1, 1, 8, 8)).dtype == torch.float32


@torch.inference_mode()
def test_a_copy_of_a_packed_model_works_and_packing_leaves_the_original_alone() -> None:
    original = Merged(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU())
    fast, x = inference_copy(original), torch.randn(1, 2, 5, 5)
    expected = original(x)
    torch.testing.assert_close(fast(x), expected)
    torch.testing.assert_close(copy.deepcopy(fast)(x), expected)
    assert type(original[0]) is nn.Conv2d
    assert not hasattr(original, "merged")


def test_the_bytes_of_packed_weights_are_counted() -> None:
    conv = nn.Conv2d(16, 32, 3, padding=1)
    packed = PackedConv(conv)
    with torch.inference_mode():
        packed(torch.rand(1, 16, 8, 8))
    assert sum(b.numel() for b in packed.buffers()) == sum(p.numel() for p in conv.parameters())


def test_a_model_that_is_packed_already_is_not_packed_again() -> None:
    with pytest.raises(ValueError, match="packed for inference already"):
        inference_copy(inference_copy(Merged(nn.Conv2d(1, 1, 1))))


def test_a_hook_on_a_packed_layer_is_refused_because_it_would_be_passed_by() -> None:
    packed = PackedConv(nn.Conv2d(1, 1, 1))
    for register in (
        packed.register_forward_hook,
        packed.register_forward_pre_hook,
        packed.register_full_backward_hook,
    ):
        with pytest.raises(TypeError, match="PackedConv is called past hooks"):
            register(print)


@torch.inference_mode()
@pytest.mark.parametrize("version", ["2.3.1", "2.14.0+cpu"])
def test_with_an_unknown_torch_the_ordinary_operators_compute_the_same_and_a_warning_says_so(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    onednn.fused.cache_clear()
    conv, x = nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 6, 6)
    try:
        with pytest.warns(UserWarning, match=f"does not know the fused operators of torch {version[:4]}"):
            torch.testing.assert_close(PackedConv(conv, "relu")(x), F.relu(conv(x)))
    finally:
        onednn.fused.cache_clear()


@torch.inference_mode()
def test_this_torch_has_the_fused_operators() -> None:
    assert onednn.fused()


@torch.inference_mode()
def test_where_the_processor_has_no_bfloat16_products_the_ordinary_operators_compute_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    conv, x = nn.Conv2d(4, 4, 3, padding=1), torch.randn(1, 4, 6, 6)
    packed = PackedConv(conv, "relu", torch.bfloat16)
    torch.testing.assert_close(packed(x).float(), F.relu(conv(x)), atol=0.03, rtol=0.02)
    assert not packed.weight.is_mkldnn
