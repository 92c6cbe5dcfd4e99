"""Published STM and XMem weights: every published name has its place, and the loader is strict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from baselines import stm_released, xmem_released
from harness.modeling.published import Rules, read_state_dict, renamed
from harness.modeling.resnet import ResNetTrunk

Shapes = dict[str, tuple[int, ...]]


def conv(name: str, out: int, into: int, kernel: int, bias: bool = True) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, into, kernel, kernel)
    if bias:
        yield f"{name}.bias", (out,)


def residual(name: str, into: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from conv(f"{name}.conv1", out, into, 3)
    yield from conv(f"{name}.conv2", out, out, 3)
    if into != out:
        yield from conv(f"{name}.downsample", out, into, 3)


def trunk(name: str, depth: int, channels: int, stages: tuple[str, str, str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A torchvision-style ResNet; its names are those of ours, its stages are renamed in the published code."""
    for key, tensor in ResNetTrunk(depth, channels).state_dict().items():
        head, _, tail = key.partition(".")
        stage = dict(zip(("layer1", "layer2", "layer3"), stages, strict=True)).get(head, head)
        yield f"{name}.{stage}.{tail}", tuple(tensor.shape)


def stm_shapes() -> Shapes:
    shapes: Shapes = {}
    for encoder in ("Encoder_M", "Encoder_Q"):
        shapes |= trunk(encoder, 50, 3, ("res2", "res3", "res4"))
        shapes |= {f"{encoder}.mean": (1, 3, 1, 1), f"{encoder}.std": (1, 3, 1, 1)}
    shapes |= {"Encoder_M.conv1_m.weight": (64, 1, 7, 7), "Encoder_M.conv1_o.weight": (64, 1, 7, 7)}
    for head in ("KV_M_r4", "KV_Q_r4"):
        shapes |= conv(f"{head}.Key", 128, 1024, 3)
        shapes |= conv(f"{head}.Value", 512, 1024, 3)
    shapes |= conv("Decoder.convFM", 256, 1024, 3)
    shapes |= residual("Decoder.ResMM", 256, 256)
    for stage, skip in (("RF3", 512), ("RF2", 256)):
        shapes |= conv(f"Decoder.{stage}.convFS", 256, skip, 3)
        shapes |= residual(f"Decoder.{stage}.ResFS", 256, 256)
        shapes |= residual(f"Decoder.{stage}.ResMM", 256, 256)
    shapes |= conv("Decoder.pred2", 2, 256, 3)
    return shapes


def xmem_shapes() -> Shapes:
    shapes: Shapes = dict(trunk("key_encoder", 50, 3, ("res2", "layer2", "layer3")))
    shapes |= trunk("value_encoder", 18, 5, ("layer1", "layer2", "layer3"))
    shapes |= conv("value_encoder.hidden_reinforce.transform", 192, 512 + 64, 3)
    for part, into in (("value_encoder", 1024 + 256), ("decoder", 1024 + 512 + 64)):
        shapes |= residual(f"{part}.fuser.block1", into, 512)
        shapes |= residual(f"{part}.fuser.block2", 512, 512)
        gate = f"{part}.fuser.attention.ChannelGate.mlp"
        shapes |= {f"{gate}.1.weight": (32, 512), f"{gate}.1.bias": (32,)}
        shapes |= {f"{gate}.3.weight": (512, 32), f"{gate}.3.bias": (512,)}
        shapes |= conv(f"{part}.fuser.attention.SpatialGate.spatial.conv", 1, 2, 7)
    shapes |= conv("key_proj.key_proj", 64, 1024, 3)
    shapes |= conv("key_proj.d_proj", 1, 1024, 3)
    shapes |= conv("key_proj.e_proj", 64, 1024, 3)
    for name, into in (("g16", 512), ("g8", 256), ("g4", 257)):
        shapes |= conv(f"decoder.hidden_update.{name}_conv", 256, into, 1)
    shapes |= conv("decoder.hidden_update.transform", 192, 256 + 64, 3)
    for name, skip, up, out in (("up_16_8", 512, 512, 256), ("up_8_4", 256, 256, 256)):
        shapes |= conv(f"decoder.{name}.skip_conv", up, skip, 3)
        shapes |= residual(f"decoder.{name}.out_conv", up, out)
    shapes |= conv("decoder.pred", 1, 256, 3)
    return shapes


CASES = [(stm_released.import_published, stm_shapes), (xmem_released.import_published, xmem_shapes)]
each_model = pytest.mark.parametrize(("importer", "shapes"), CASES, ids=["stm", "xmem"])


def checkpoint(path: Path, shapes: Shapes, prefix: str = "") -> dict[str, Tensor]:
    state = {name: torch.full(shape, 0.001 * i) for i, (name, shape) in enumerate(shapes.items())}
    torch.save({prefix + name: tensor for name, tensor in state.items()}, path)
    return state


@each_model
def test_every_published_tensor_arrives_and_none_of_ours_is_left_out(
    importer: Callable, shapes: Callable, tmp_path: Path
) -> None:
    state = checkpoint(tmp_path / "weights.pth", shapes(), prefix="module.")
    model = importer(tmp_path / "weights.pth", num_structures=2)
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    sent = [tensor for name, tensor in state.items() if not name.endswith(("num_batches_tracked", ".mean", ".std"))]
    # each published tensor is filled with a number of its own: the same numbers must be found in ours
    assert sorted(t.flatten()[0].item() for t in own.values()) == sorted(t.flatten()[0].item() for t in sent)
    assert not model.training


PAIRS = [
    (stm_released.RULES, "Encoder_M.res3.0.conv1.weight", "memory_encoder.trunk.layer2.0.conv1.weight"),
    (stm_released.RULES, "Encoder_Q.res4.5.bn3.bias", "query_encoder.layer3.5.bn3.bias"),
    (stm_released.RULES, "Encoder_M.conv1_m.weight", "memory_encoder.conv_mask.weight"),
    (stm_released.RULES, "Encoder_M.conv1_o.weight", "memory_encoder.conv_others.weight"),
    (stm_released.RULES, "KV_M_r4.Value.bias", "memory_head.value.bias"),
    (stm_released.RULES, "KV_Q_r4.Key.weight", "query_head.key.weight"),
    (stm_released.RULES, "Decoder.RF3.ResFS.conv2.weight", "decoder.skip8.residual.conv2.weight"),
    (stm_released.RULES, "Decoder.RF2.ResMM.conv1.bias", "decoder.residual4.conv1.bias"),
    (xmem_released.RULES, "key_encoder.res2.0.downsample.1.weight", "key_encoder.layer1.0.downsample.1.weight"),
    (xmem_released.RULES, "value_encoder.layer2.1.conv2.weight", "value_encoder.trunk.layer2.1.conv2.weight"),
    (xmem_released.RULES, "decoder.fuser.attention.ChannelGate.mlp.1.bias", "decoder.fuser.attention.squeeze.bias"),
    (xmem_released.RULES, "value_encoder.fuser.block2.conv1.bias", "value_encoder.fuser.second.conv1.bias"),
    (xmem_released.RULES, "key_proj.e_proj.weight", "key_heads.selection.weight"),
    (xmem_released.RULES, "decoder.hidden_update.g16_conv.bias", "decoder.sensory.from16.bias"),
    (xmem_released.RULES, "decoder.up_8_4.out_conv.conv2.bias", "decoder.up4.conv2.bias"),
]


@pytest.mark.parametrize(("rules", "published", "ours"), PAIRS, ids=[pair[1] for pair in PAIRS])
def test_tensors_of_equal_shape_are_not_confused(rules: Rules, published: str, ours: str) -> None:
    assert renamed(published, rules) == ours


@each_model
def test_a_missing_and_an_unexpected_name_are_refused(importer: Callable, shapes: Callable, tmp_path: Path) -> None:
    names = shapes()
    lost = next(name for name in names if name.endswith("conv1.bias"))
    del names[lost]
    checkpoint(tmp_path / "short.pth", names)
    with pytest.raises(ValueError, match="1 tensors are missing"):
        importer(tmp_path / "short.pth")
    checkpoint(tmp_path / "long.pth", shapes() | {"Decoder.extra.weight": (1,)})
    with pytest.raises(ValueError, match=r"unexpected \['Decoder.extra.weight'\]"):
        importer(tmp_path / "long.pth")


@each_model
def test_a_wrong_shape_is_refused(importer: Callable, shapes: Callable, tmp_path: Path) -> None:
    names = shapes()
    last = list(names)[-1]
    checkpoint(tmp_path / "weights.pth", names | {last: (7,)})
    with pytest.raises(ValueError, match=r"must have shape .* got \(7,\)"):
        importer(tmp_path / "weights.pth")


def test_single_object_weights_of_xmem_get_zeros_for_the_mask_of_the_others(tmp_path: Path) -> None:
    checkpoint(tmp_path / "weights.pth", xmem_shapes() | {"value_encoder.conv1.weight": (64, 4, 7, 7)})
    stem = xmem_released.import_published(tmp_path / "weights.pth").value_encoder.trunk.conv1.weight
    assert stem.shape == (64, 5, 7, 7)
    assert stem[:, 4].abs().sum() == 0
    assert stem[:, :4].abs().min() > 0


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"iteration": 3}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="holds no state dict"):
        read_state_dict(tmp_path / "weights.pth")
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        read_state_dict(tmp_path / "text.pth")
