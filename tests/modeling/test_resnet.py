"""ResNet trunks have the published parameters, strides and names, and take torchvision-style files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.modeling.resnet import ResNetTrunk, load_torchvision


def test_resnet_50_to_layer3_has_the_parameters_of_the_published_key_encoder() -> None:
    with torch.device("meta"):
        colour, grey = ResNetTrunk(50, in_channels=3), ResNetTrunk(50, in_channels=1)
    assert sum(p.numel() for p in colour.parameters()) == 8_543_296
    assert sum(p.numel() for p in grey.parameters()) == 8_537_024


@pytest.mark.parametrize(("depth", "channels"), [(18, (8, 16, 32)), (34, (8, 16, 32)), (50, (32, 64, 128))])
def test_features_have_strides_4_8_and_16(depth: int, channels: tuple[int, int, int]) -> None:
    trunk = ResNetTrunk(depth, width=8)
    assert trunk.channels == channels
    shapes = [tuple(f.shape) for f in trunk(torch.rand(2, 1, 32, 48))]
    assert shapes == [(2, c, 32 // s, 48 // s) for c, s in zip(channels, (4, 8, 16), strict=True)]


def _file(path: Path, **changes: torch.Tensor) -> Path:
    state = ResNetTrunk(18, in_channels=3, width=8).state_dict()
    torch.save(state | {"layer4.0.conv1.weight": torch.zeros(1), "fc.bias": torch.zeros(1)} | changes, path)
    return path


def test_a_colour_file_is_averaged_for_a_grey_trunk(tmp_path: Path) -> None:
    path, trunk = _file(tmp_path / "resnet.pth"), ResNetTrunk(18, width=8)
    load_torchvision(trunk, path)
    stored = torch.load(path, weights_only=True)
    torch.testing.assert_close(trunk.conv1.weight[:, 0], stored["conv1.weight"].mean(1))
    assert torch.equal(trunk.layer3[1].conv2.weight, stored["layer3.1.conv2.weight"])


def test_a_file_of_other_names_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path / "resnet.pth", stranger=torch.zeros(1))
    with pytest.raises(ValueError, match=r"does not fit this ResNet: missing \[\], unexpected \['stranger'\]"):
        load_torchvision(ResNetTrunk(18, width=8), path)


@pytest.mark.parametrize(
    ("depth", "content", "sentence"),
    [
        (
            50,
            None,
            r"is of another ResNet: layer1\.0\.conv1\.weight must have shape \(8, 8, 1, 1\), got \(8, 8, 3, 3\)",
        ),
        (18, {"features.0.weight": torch.zeros(1)}, r"has no conv1\.weight"),
        (18, {"model": {"lr": 0.1}}, "holds no state dict"),
    ],
    ids=["depth", "names", "no tensors"],
)
def test_a_file_of_another_network_is_refused_in_words(
    tmp_path: Path, depth: int, content: object, sentence: str
) -> None:
    path = _file(tmp_path / "resnet.pth")
    if content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match=sentence):
        load_torchvision(ResNetTrunk(depth, width=8), path)


def test_an_unknown_depth_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth must be one of \[18, 34, 50\], got 101"):
        ResNetTrunk(101)
