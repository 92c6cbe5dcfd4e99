"""Whole checkpoints of the widely used U-Net and of TransUNet: what their names mean, and that the function arrives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.per_frame_released import TRANSUNET, _joined_projections, import_unet
from baselines.transunet import TransUNet
from harness.modeling.published import renamed


def convs(inplanes: int, planes: int, bias: bool) -> nn.Module:
    """The published names of two convolutions with norms: ``double_conv.0`` to ``double_conv.5``."""
    layers: list[nn.Module] = []
    for into in (inplanes, planes):
        layers += [nn.Conv2d(into, planes, 3, padding=1, bias=bias), nn.BatchNorm2d(planes), nn.ReLU()]
    return nn.ModuleDict({"double_conv": nn.Sequential(*layers)})


class NamedLikeThePublished(nn.Module):
    """A U-Net of five levels written down by its published names, narrow, for colour, with one output."""

    def __init__(self, bias: bool, width: int = 4) -> None:
        super().__init__()
        widths = [width * 2**k for k in range(5)]
        self.inc = convs(3, widths[0], bias)
        for k in range(4):
            down = nn.ModuleDict(
                {"maxpool_conv": nn.Sequential(nn.MaxPool2d(2), convs(widths[k], widths[k + 1], bias))}
            )
            up, conv = nn.ConvTranspose2d(widths[4 - k], widths[3 - k], 2, 2), convs(widths[4 - k], widths[3 - k], bias)
            setattr(self, f"down{k + 1}", down)
            setattr(self, f"up{k + 1}", nn.ModuleDict({"up": up, "conv": conv}))
        self.outc = nn.ModuleDict({"conv": nn.Conv2d(width, 1, 1)})

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.inc["double_conv"](x)]
        for k in range(1, 5):
            pool, block = getattr(self, f"down{k}")["maxpool_conv"]
            levels.append(block["double_conv"](pool(levels[-1])))
        x = levels.pop()
        for k in range(1, 5):
            stage = getattr(self, f"up{k}")
            x = stage["conv"]["double_conv"](torch.cat([levels.pop(), stage["up"](x)], 1))
        return self.outc["conv"](x)


@pytest.mark.parametrize("bias", [False, True], ids=["no biases", "older versions"])
def test_a_checkpoint_of_the_widely_used_u_net_computes_the_same_probabilities(tmp_path: Path, bias: bool) -> None:
    torch.manual_seed(0)
    published = NamedLikeThePublished(bias).eval()
    for module in published.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    state: dict[str, Any] = dict(published.state_dict())
    torch.save(state | {"mask_values": [0, 1]}, tmp_path / "checkpoint.pth")
    model, frames = import_unet(tmp_path / "checkpoint.pth"), torch.rand(1, 2, 1, 32, 32)
    with torch.inference_mode():
        expected = published(frames[0].expand(-1, 3, -1, -1)).sigmoid()
        torch.testing.assert_close(model(frames)[0].softmax(1)[:, 1:], expected, atol=1e-5, rtol=0)


def test_the_bilinear_form_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    state = {name: t for name, t in NamedLikeThePublished(False).state_dict().items() if ".up." not in name}
    torch.save(state, tmp_path / "bilinear.pth")
    with pytest.raises(ValueError, match="is the bilinear form of that U-Net"):
        import_unet(tmp_path / "bilinear.pth")
    torch.save({"up1.up.weight": torch.zeros(1)}, tmp_path / "foreign.pth")
    with pytest.raises(ValueError, match=r"has no inc\.double_conv\.0\.weight"):
        import_unet(tmp_path / "foreign.pth")


def transunet_names(layers: int, units: tuple[int, int, int]) -> list[str]:
    """Every name of the authors' ``VisionTransformer``, as their modules are nested."""
    body, names = "transformer.embeddings.hybrid_model", ["root.conv.weight", "root.gn.weight", "root.gn.bias"]
    for block, count in enumerate(units, 1):
        for unit in range(1, count + 1):
            inside = [f"conv{k}.weight" for k in (1, 2, 3)] + [
                f"gn{k}.{x}" for k in (1, 2, 3) for x in ("weight", "bias")
            ]
            first = ["downsample.weight", "gn_proj.weight", "gn_proj.bias"] if unit == 1 else []
            names += [f"body.block{block}.unit{unit}.{leaf}" for leaf in [*inside, *first]]
    names = [f"{body}.{name}" for name in names] + ["transformer.embeddings.position_embeddings"]
    pairs = ["transformer.embeddings.patch_embeddings", "transformer.encoder.encoder_norm", "segmentation_head.0"]
    for layer in range(layers):
        inner = [
            "attention_norm",
            "ffn_norm",
            "ffn.fc1",
            "ffn.fc2",
            *(f"attn.{x}" for x in ("query", "key", "value", "out")),
        ]
        pairs += [f"transformer.encoder.layer.{layer}.{name}" for name in inner]
    for conv in ["conv_more", *(f"blocks.{block}.conv{k}" for block in range(4) for k in (1, 2))]:
        names.append(f"decoder.{conv}.0.weight")
        names += [
            f"decoder.{conv}.1.{x}" for x in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        ]
    return names + [f"{name}.{leaf}" for name in pairs for leaf in ("weight", "bias")]


def test_every_name_of_the_published_transunet_has_its_place_and_none_of_ours_is_left_out() -> None:
    model = TransUNet(
        width=8, units=(1, 1, 2), groups=4, dim=16, layers=2, heads=2, mlp=32, head_width=8, image_size=32
    )
    state = _joined_projections({name: torch.zeros(1) for name in transunet_names(2, (1, 1, 2))})
    assert sorted(renamed(name, TRANSUNET) or "" for name in state) == sorted(model.state_dict())


def test_three_projections_become_one_in_the_order_query_key_value() -> None:
    layer = "transformer.encoder.layer.0.attn"
    state = {f"{layer}.{name}.bias": torch.full((2,), float(k)) for k, name in enumerate(("query", "key", "value"))}
    joined = _joined_projections(state)
    assert joined.keys() == {f"{layer}.qkv.bias"}
    assert joined[f"{layer}.qkv.bias"].tolist() == [0, 0, 1, 1, 2, 2]
