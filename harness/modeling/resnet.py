"""ResNet trunks up to stride 16 (layer3), with the names of torchvision's state dicts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from harness.modeling.pretrained import mark_pretrained
from harness.modeling.published import read_state_dict


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with an identity or projected shortcut (He 2016)."""

    expansion: ClassVar[int] = 1

    def __init__(self, inplanes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(inplanes, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inplanes, h, w] → [N, planes, h/stride, w/stride]."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 (carrying the stride), 1x1 convolutions with a shortcut (He 2016, v1.5)."""

    expansion: ClassVar[int] = 4

    def __init__(self, inplanes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        # The stride in the 3x3 convolution (torchvision's v1.5), which published weights are of.
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.downsample = _shortcut(inplanes, planes * 4, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inplanes, h, w] → [N, 4 planes, h/stride, w/stride]."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


def _shortcut(inplanes: int, outplanes: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inplanes == outplanes:
        return None
    return nn.Sequential(nn.Conv2d(inplanes, outplanes, 1, stride, bias=False), nn.BatchNorm2d(outplanes))


DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2)),
    34: (BasicBlock, (3, 4, 6)),
    50: (Bottleneck, (3, 4, 6)),
}


class ResNetTrunk(nn.Module):
    """ResNet without its last stage: features at strides 4, 8 and 16.

    Args:
        depth: 18, 34 or 50.
        in_channels: channels of the input (1 for grey images).
        width: channels of the stem, 64 in the paper; smaller trunks for CPU use less.

    Attributes:
        channels: channels of the three outputs.
    """

    def __init__(self, depth: int = 50, in_channels: int = 1, width: int = 64) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth must be one of {sorted(DEPTHS)}, got {depth}")
        block, (n1, n2, n3) = DEPTHS[depth]
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(block, width, width, n1, 1)
        self.layer2 = _stage(block, width * block.expansion, width * 2, n2, 2)
        self.layer3 = _stage(block, width * 2 * block.expansion, width * 4, n3, 2)
        self.channels = tuple(width * m * block.expansion for m in (1, 2, 4))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # As torchvision: He et al., ICCV 2015, with the variance of the backward pass kept.
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, width, H/4, W/4]: what comes before ``layer1``."""
        return self.maxpool(F.relu(self.bn1(self.conv1(x))))

    def stages(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """The three stages after the stem."""
        return self.layer1, self.layer2, self.layer3

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N, C, H, W] → features at strides 4, 8 and 16 (f4, f8, f16)."""
        f4 = self.layer1(self.stem(x))
        f8 = self.layer2(f4)
        return f4, f8, self.layer3(f8)


def _stage(
    block: type[BasicBlock] | type[Bottleneck], inplanes: int, planes: int, count: int, stride: int
) -> nn.Sequential:
    first = block(inplanes, planes, stride)
    rest = [block(planes * block.expansion, planes, 1) for _ in range(count - 1)]
    return nn.Sequential(first, *rest)


def load_torchvision(trunk: ResNetTrunk, path: str | Path) -> None:
    """Load a user's torchvision-style ResNet state dict into a trunk; ``layer4`` and ``fc`` are left out.

    Where the trunk takes another number of channels than the file has, its first convolution becomes the
    file's mean over colour, repeated.

    Raises:
        ValueError: an unreadable file, a name of the trunk that is missing in it, or another shape.
    """
    state = {k: v for k, v in read_state_dict(path).items() if not k.startswith(("layer4.", "fc."))}
    wanted = trunk.conv1.weight.shape[1]
    weight = state.get("conv1.weight")
    if weight is None:
        raise ValueError(f"{path} is no torchvision-style ResNet: it has no conv1.weight.")
    if weight.shape[1] != wanted:
        # The mean over colour: batch norm follows, so its size does not matter.
        state["conv1.weight"] = weight.mean(1, keepdim=True).repeat(1, wanted, 1, 1)
    own = trunk.state_dict()
    wrong = [name for name, tensor in state.items() if name in own and tensor.shape != own[name].shape]
    if wrong:
        got, expected = tuple(state[wrong[0]].shape), tuple(own[wrong[0]].shape)
        raise ValueError(f"{path} is of another ResNet: {wrong[0]} must have shape {expected}, got {got}.")
    missing, unexpected = trunk.load_state_dict(state, strict=False)
    # Files from before torch 0.4.1 have no such counter, and nothing here reads it.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{path} does not fit this ResNet: missing {missing[:5]}, unexpected {unexpected[:5]}")
    mark_pretrained(trunk)
