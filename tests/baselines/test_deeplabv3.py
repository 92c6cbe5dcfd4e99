"""DeepLabV3-ResNet-50 is torchvision's network, and takes files of its layout.

Measured once against torchvision 0.28, which is not among the dependencies: probabilities differ by 8.9e-8 in float32 (docs/models.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from baselines.deeplabv3 import DeepLabV3, DilatedResNet, import_published
from harness.modeling.resnet import ResNetTrunk


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def published(outputs: int) -> dict[str, Tensor]:
    """Names and shapes of torchvision's state dict, each tensor filled with a number of its own."""
    shapes = {f"backbone.{name}": tuple(t.shape) for name, t in ResNetTrunk(50, 3).state_dict().items()}
    for block, into in enumerate((1024, 2048, 2048)):
        for conv, shape in enumerate(((512, into, 1, 1), (512, 512, 3, 3), (2048, 512, 1, 1)), 1):
            shapes[f"backbone.layer4.{block}.conv{conv}.weight"] = shape
            shapes |= norm(f"backbone.layer4.{block}.bn{conv}", shape[0])
    shapes["backbone.layer4.0.downsample.0.weight"] = (2048, 1024, 1, 1)
    shapes |= norm("backbone.layer4.0.downsample.1", 2048)
    for branch, kernel in enumerate((1, 3, 3, 3)):
        shapes[f"classifier.0.convs.{branch}.0.weight"] = (256, 2048, kernel, kernel)
        shapes |= norm(f"classifier.0.convs.{branch}.1", 256)
    shapes |= {"classifier.0.convs.4.1.weight": (256, 2048, 1, 1)} | norm("classifier.0.convs.4.2", 256)
    shapes |= {"classifier.0.project.0.weight": (256, 1280, 1, 1)} | norm("classifier.0.project.1", 256)
    shapes |= {"classifier.1.weight": (256, 256, 3, 3)} | norm("classifier.2", 256)
    shapes |= {"classifier.4.weight": (outputs, 256, 1, 1), "classifier.4.bias": (outputs,)}
    shapes["aux_classifier.0.weight"] = (256, 1024, 3, 3)
    return {name: torch.full(shape, 0.001 * i) for i, (name, shape) in enumerate(shapes.items())}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{leaf}": (width,) for leaf in leaves} | {f"{name}.num_batches_tracked": ()}


@pytest.fixture(scope="module")
def meta() -> DeepLabV3:
    with torch.device("meta"):
        return DeepLabV3()


def test_parameters_match_torchvision_s_network(meta: DeepLabV3) -> None:
    assert count(meta) - 257 == 39_633_729, "EchoNet-Dynamic's network has one output of 257 parameters less"
    assert count(meta.backbone) == 23_508_032
    assert count(meta.pyramid) + count(meta.mix) == 39_633_729 - 257 - 23_508_032


def test_the_last_two_stages_keep_stride_8_and_spread_their_kernels(meta: DeepLabV3) -> None:
    rates = [[block.conv2.dilation[0] for block in stage] for stage in meta.backbone.stages()]
    assert rates == [[1, 1, 1], [1, 1, 1, 1], [1, 2, 2, 2, 2, 2], [2, 4, 4]]
    narrow = DilatedResNet(1, 4).eval()
    assert narrow.features(torch.rand(1, 1, 64, 48)).shape == (1, 128, 8, 6)


def test_a_file_of_torchvision_s_layout_fills_every_tensor_and_one_output_becomes_two(tmp_path: Path) -> None:
    state = published(outputs=1)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "echonet.pt")
    model = import_published(tmp_path / "echonet.pt", mean=(0.13,) * 3, std=(0.2,) * 3)
    loaded = model.state_dict()
    assert torch.equal(loaded["head.weight"][1:], state["classifier.4.weight"])
    assert not loaded["head.weight"][0].any()
    for ours, theirs in {
        "backbone.layer4.0.conv2.weight": "backbone.layer4.0.conv2.weight",
        "pyramid.branches.2.0.weight": "classifier.0.convs.2.0.weight",
        "pyramid.branches.4.norm.running_var": "classifier.0.convs.4.2.running_var",
        "pyramid.project.1.bias": "classifier.0.project.1.bias",
        "mix.0.weight": "classifier.1.weight",
        "mix.1.running_mean": "classifier.2.running_mean",
    }.items():
        assert torch.equal(loaded[ours], state[theirs]), ours
    assert model.normalize.mean.flatten().tolist() == pytest.approx([0.13] * 3)
    with pytest.raises(ValueError, match=r"head.weight must have shape \(4, 256, 1, 1\), got \(1, 256, 1, 1\)"):
        import_published(tmp_path / "echonet.pt", num_structures=3)


def test_a_batch_of_one_frame_can_be_trained() -> None:
    model = DeepLabV3(image_channels=1, width=8, head_width=8).train()
    model.forward_train(torch.rand(1, 1, 1, 32, 32)).logits.mean().backward()
    assert model.pyramid.branches[4].conv.weight.grad is not None
