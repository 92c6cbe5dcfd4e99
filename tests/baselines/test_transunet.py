"""TransUNet is the published R50-ViT-B/16 network, at any size, and takes the published weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from baselines.transunet import TransUNet
from baselines.transunet_hybrid import HybridResNet, StdConv2d, Unit, standardise
from baselines.transunet_vit import SelfAttention, resize_positions
from harness.errors import DataError

TINY = dict(width=8, units=(1, 1, 2), groups=4, dim=16, layers=2, heads=2, mlp=32, head_width=8, image_size=64)


def _tiny(**changes: object) -> TransUNet:
    return TransUNet(**(TINY | dict(decoder_widths=(8, 8, 8, 4)) | changes))


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def reference() -> TransUNet:
    with torch.device("meta"):
        return TransUNet(num_structures=1, image_size=256)


def test_parameters_per_module_match_the_reference(reference: TransUNet) -> None:
    assert _count(reference) == 105_322_146
    assert _count(reference.resnet) == 11_894_848
    assert _count(reference.transformer.embedding) == 787_200
    assert _count(reference.transformer.layers) == 85_054_464
    assert _count(reference.transformer.norm) == 1_536
    assert _count(reference.decoder) == 7_387_200
    assert _count(reference.head) == 290
    assert reference.transformer.positions.numel() == 196_608


@pytest.mark.slow
def test_multiply_adds_of_a_256_px_frame_match_the_reference() -> None:
    """fvcore misses the attention kernel: two products of 256 x 256 tokens x 768 channels in each of 12 layers."""
    counter = FlopCountAnalysis(TransUNet().eval(), torch.zeros(1, 1, 1, 256, 256)).unsupported_ops_warnings(False)
    counted = counter.by_operator()
    gmacs = (counted["conv"] + counted["linear"] + 12 * 2 * 256 * 256 * 768) / 1e9
    assert gmacs == pytest.approx(38.39, rel=0.02)


def test_the_unpadded_pool_leaves_63_pixels_and_the_skip_is_padded_with_zeros() -> None:
    resnet = HybridResNet(width=4, units=(1, 1, 1), groups=2).eval()
    f16, f8, f4, f2 = resnet(torch.rand(1, 3, 256, 256))
    assert [tuple(f.shape[1:]) for f in (f2, f4, f8, f16)] == [
        (4, 128, 128),
        (16, 64, 64),
        (32, 32, 32),
        (64, 16, 16),
    ]
    assert not f4[..., 63, :].any()
    assert not f4[..., :, 63].any()
    assert f4[..., 62, :].any()


def test_standardised_kernels_have_zero_mean_and_unit_variance() -> None:
    weight = standardise(torch.randn(5, 7, 3, 3) * 3 + 2)
    torch.testing.assert_close(weight.mean((1, 2, 3)), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(weight.var((1, 2, 3), correction=0), torch.ones(5), atol=1e-4, rtol=0)


def test_a_standardised_convolution_ignores_scale_and_offset_of_its_kernel() -> None:
    conv, x = StdConv2d(3, 4, 3), torch.rand(1, 3, 8, 8)
    before = conv(x)
    with torch.no_grad():
        conv.weight.mul_(7).add_(1)
    torch.testing.assert_close(conv(x), before, atol=1e-3, rtol=1e-3)


def test_a_unit_projects_its_shortcut_only_where_the_shape_changes() -> None:
    kinds = dict(groups=4, projection_norm="channel")
    assert Unit(32, 32, 1, **kinds).conv_proj is None
    assert Unit(16, 32, 1, **kinds).conv_proj is not None
    assert Unit(32, 32, 2, **kinds).conv_proj is not None
    assert Unit(16, 32, 1, **kinds).gn_proj.num_groups == 32
    assert Unit(16, 32, 1, groups=4, projection_norm="group").gn_proj.num_groups == 4


def test_attention_equals_the_textbook_formula() -> None:
    attention, x = SelfAttention(8, 2).double(), torch.randn(2, 5, 8, dtype=torch.float64)
    q, k, v = (part.unflatten(2, (2, 4)) for part in attention.qkv(x).chunk(3, -1))  # N L heads 4
    weights = (torch.einsum("nihc,njhc->nhij", q, k) / 2).softmax(-1)
    expected = attention.out(torch.einsum("nhij,njhc->nihc", weights, v).flatten(2))
    torch.testing.assert_close(attention(x), expected)


def test_positions_are_untouched_at_their_own_size_and_keep_a_linear_ramp_elsewhere() -> None:
    ramp = torch.arange(4.0).view(4, 1).expand(4, 4).reshape(1, 16, 1)
    assert resize_positions(ramp, 4, 4, 4) is ramp
    resized = resize_positions(ramp, 4, 8, 6).view(8, 6)
    torch.testing.assert_close(resized[:, 0], resized[:, 5])
    torch.testing.assert_close(resized[1:-1, 0].diff(), torch.full((5,), 0.5))


@pytest.mark.parametrize("size", [(64, 64), (50, 70), (96, 32)])
def test_any_frame_size_gives_logits_of_that_size(size: tuple[int, int]) -> None:
    assert _tiny(num_structures=3).eval()(torch.rand(1, 2, 1, *size)).shape == (1, 2, 4, *size)


def test_a_grey_frame_equals_the_same_frame_in_three_channels() -> None:
    grey, colour = _tiny().eval(), _tiny(in_channels=3).eval()
    colour.load_state_dict(grey.state_dict())
    frames = torch.rand(1, 1, 1, 32, 32)
    torch.testing.assert_close(grey(frames), colour(frames.expand(-1, -1, 3, -1, -1)))


def test_dropout_acts_in_training_only() -> None:
    model, frames = _tiny(dropout=0.5), torch.rand(1, 1, 1, 32, 32)
    assert not torch.equal(model.transformer(torch.ones(1, 128, 2, 2)), model.transformer(torch.ones(1, 128, 2, 2)))
    model.eval()
    assert torch.equal(model(frames), model(frames))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(in_channels=2), "in_channels must be 1 or 3, got 2"),
        (dict(groups=3), "groups must divide width, got 3 and 8"),
        (dict(heads=3), "heads must divide dim, got 3 and 16"),
    ],
)
def test_impossible_shapes_are_refused_with_the_argument(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _tiny(**changes)


def _published_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """A file in the published layout for the tiny network, with a class token and a 2 x 2 grid of positions."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"conv_root/kernel": (7, 7, 3, 8)}
    norms = {"gn_root": 8}
    inplanes = 8
    for block, (units, planes) in enumerate(((1, 32), (1, 64), (2, 128)), 1):
        for unit in range(1, units + 1):
            prefix, inner = f"block{block}/unit{unit}", planes // 4
            source = inplanes if unit == 1 else planes
            shapes |= {
                f"{prefix}/conv1/kernel": (1, 1, source, inner),
                f"{prefix}/conv2/kernel": (3, 3, inner, inner),
                f"{prefix}/conv3/kernel": (1, 1, inner, planes),
            }
            norms |= {f"{prefix}/gn1": inner, f"{prefix}/gn2": inner, f"{prefix}/gn3": planes}
            if unit == 1:
                shapes[f"{prefix}/conv_proj/kernel"] = (1, 1, source, planes)
                norms[f"{prefix}/gn_proj"] = planes
        inplanes = planes
    for name, width in norms.items():
        shapes |= {f"{name}/scale": (1, 1, 1, width), f"{name}/bias": (1, 1, 1, width)}
    for layer in range(2):
        prefix = f"Transformer/encoderblock_{layer}"
        attention = f"{prefix}/MultiHeadDotProductAttention_1"
        for name in ("query", "key", "value"):
            shapes |= {f"{attention}/{name}/kernel": (16, 2, 8), f"{attention}/{name}/bias": (2, 8)}
        shapes |= {f"{attention}/out/kernel": (2, 8, 16), f"{attention}/out/bias": (16,)}
        for name in ("LayerNorm_0", "LayerNorm_2"):
            shapes |= {f"{prefix}/{name}/scale": (16,), f"{prefix}/{name}/bias": (16,)}
        shapes |= {f"{prefix}/MlpBlock_3/Dense_0/kernel": (16, 32), f"{prefix}/MlpBlock_3/Dense_0/bias": (32,)}
        shapes |= {f"{prefix}/MlpBlock_3/Dense_1/kernel": (32, 16), f"{prefix}/MlpBlock_3/Dense_1/bias": (16,)}
    shapes |= {
        "embedding/kernel": (1, 1, 128, 16),
        "embedding/bias": (16,),
        "Transformer/posembed_input/pos_embedding": (1, 5, 16),
        "Transformer/encoder_norm/scale": (16,),
        "Transformer/encoder_norm/bias": (16,),
        "head/kernel": (16, 10),
    }
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def _save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path


def test_published_weights_fill_the_whole_encoder(tmp_path: Path) -> None:
    arrays = _published_arrays()
    model = _tiny(pretrained=_save(tmp_path / "vit.npz", arrays), image_size=32)
    unit = model.resnet.block3.unit1
    np.testing.assert_array_equal(unit.conv2.weight[3, 5].detach(), arrays["block3/unit1/conv2/kernel"][:, :, 5, 3])
    np.testing.assert_array_equal(unit.gn_proj.bias.detach(), arrays["block3/unit1/gn_proj/bias"].ravel())
    np.testing.assert_array_equal(
        model.transformer.positions.detach(), arrays["Transformer/posembed_input/pos_embedding"][:, 1:]
    )


def test_loaded_attention_computes_what_the_stored_projections_say(tmp_path: Path) -> None:
    arrays = _published_arrays()
    model = _tiny(pretrained=_save(tmp_path / "vit.npz", arrays))
    tokens = np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32)
    stored = {k.rsplit("_1/", 1)[1]: v for k, v in arrays.items() if "encoderblock_1/MultiHead" in k}

    def project(name: str) -> np.ndarray:
        return np.einsum("lc,chd->hld", tokens, stored[f"{name}/kernel"]) + stored[f"{name}/bias"][:, None]

    scores = np.einsum("hid,hjd->hij", project("query"), project("key")) / np.sqrt(8)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    mixed = np.einsum("hij,hjd->ihd", weights, project("value"))
    expected = np.einsum("ihd,hdc->ic", mixed, stored["out/kernel"]) + stored["out/bias"]
    actual = model.transformer.layers[1].attention(torch.from_numpy(tokens)[None])[0]
    np.testing.assert_allclose(actual.detach(), expected, rtol=1e-3, atol=1e-3)


def test_positions_of_a_file_are_interpolated_to_the_grid_of_the_model(tmp_path: Path) -> None:
    model = _tiny(pretrained=_save(tmp_path / "vit.npz", _published_arrays()), image_size=64)
    assert model.transformer.positions.shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a.pop("conv_root/kernel"), "have no array 'conv_root/kernel'"),
        (lambda a: a.update({"embedding/bias": np.zeros(3, np.float32)}), "do not fit"),
    ],
    ids=["missing", "shape"],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, damage: object, message: str) -> None:
    arrays = _published_arrays()
    damage(arrays)  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        _tiny(pretrained=_save(tmp_path / "vit.npz", arrays))


@pytest.mark.parametrize("damage", ["text", "cut", "flipped"])
def test_a_missing_or_damaged_file_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    path = _save(tmp_path / "vit.npz", _published_arrays())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes({"text": b"no weights", "cut": bytes(whole[: len(whole) // 2]), "flipped": bytes(whole)}[damage])
    with pytest.raises(DataError, match=r"vit\.npz cannot be read .*; download it again"):
        _tiny(pretrained=path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz"):
        _tiny(pretrained=tmp_path / "nowhere.npz")
