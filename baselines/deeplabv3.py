"""DeepLabV3 with a ResNet-50 (Chen et al. 2017, arXiv 1706.05587), the segmentation network of EchoNet-Dynamic.

Ouyang et al., Nature 2020, train torchvision's network per frame. Module structure and names of the backbone follow
torchvision, so that files of its weights fit; the code is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.per_frame import FrameNetworkSegmenter
from harness.modeling.grey import MEAN, STD, FrameNormalization
from harness.modeling.precision import weight_dtype
from harness.modeling.pretrained import mark_pretrained
from harness.modeling.published import Rules, load_renamed, read_state_dict
from harness.modeling.resnet import Bottleneck, ResNetTrunk, load_torchvision
from harness.registry import MODELS


def dilate(stage: nn.Sequential, first: int, rest: int) -> None:
    """Take the stride out of a stage of bottlenecks and spread its 3x3 kernels instead, in place.

    The first block keeps the dilation ``first`` that its input was computed for, all later ones have ``rest``: features stay
    dense and every kernel still sees what it saw at half the resolution.
    """
    for number, block in enumerate(stage):
        assert isinstance(block, Bottleneck)
        rate = rest if number else first
        block.conv2.stride, block.conv2.dilation, block.conv2.padding = (1, 1), (rate, rate), (rate, rate)
        if block.downsample is not None:
            shortcut = block.downsample[0]
            assert isinstance(shortcut, nn.Conv2d)
            shortcut.stride = (1, 1)


class DilatedResNet(ResNetTrunk):
    """ResNet-50 with all four stages, of which the last two are dilated: features at stride 8."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__(50, in_channels, width)
        blocks = [Bottleneck(16 * width, 8 * width, 1), *(Bottleneck(32 * width, 8 * width, 1) for _ in range(2))]
        self.layer4 = nn.Sequential(*blocks)
        for module in self.layer4.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        dilate(self.layer3, 1, 2)
        dilate(self.layer4, 2, 4)

    def stages(self) -> tuple[nn.Module, ...]:  # type: ignore[override]
        """The four stages after the stem."""
        return self.layer1, self.layer2, self.layer3, self.layer4

    def features(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, 32 · width, H/8, W/8]."""
        return self.layer4(self.forward(x)[2])


class ConvNorm(nn.Sequential):
    """Bias-free convolution that keeps the size, batch norm, ReLU."""

    def __init__(self, inplanes: int, planes: int, kernel: int, dilation: int = 1) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(inplanes, planes, kernel, padding=padding, dilation=dilation, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(),
        )


class ImagePooling(nn.Module):
    """What the whole image says: average, 1x1 convolution, batch norm, ReLU, spread over the map again."""

    def __init__(self, inplanes: int, planes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.norm = nn.BatchNorm2d(planes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inplanes, h, w] → [N, planes, h, w]."""
        pooled = self.conv(x.mean((-2, -1), keepdim=True))
        if self.norm.training and len(x) == 1:
            # One image has one value per channel here, of which there is no variance: torch refuses it.
            norm = self.norm
            pooled = F.batch_norm(pooled, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        else:
            pooled = self.norm(pooled)
        return F.relu(pooled).expand(-1, -1, *x.shape[-2:])


class PyramidPooling(nn.Module):
    """ASPP: a 1x1 and three dilated 3x3 convolutions and the image's average, side by side, then projected."""

    def __init__(self, inplanes: int, planes: int, rates: Sequence[int]) -> None:
        super().__init__()
        convs = [ConvNorm(inplanes, planes, 1), *(ConvNorm(inplanes, planes, 3, rate) for rate in rates)]
        self.branches = nn.ModuleList([*convs, ImagePooling(inplanes, planes)])
        self.project = ConvNorm((len(rates) + 2) * planes, planes, 1)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inplanes, h, w] → [N, planes, h, w]."""
        return self.dropout(self.project(torch.cat([branch(x) for branch in self.branches], 1)))


@MODELS.register_module()
class DeepLabV3(FrameNetworkSegmenter):
    """DeepLabV3 on every frame alone; the defaults are torchvision's ``deeplabv3_resnet50`` without its auxiliary head.

    Args:
        image_channels: channels of the network's input; 3 repeats grey frames, as published.
        width: channels of the ResNet's stem, 64.
        head_width: channels of the pyramid and of the head, 256.
        rates: dilations of the pyramid, 12, 24 and 36 at stride 8.
        mean, std: of the normalisation, in grey levels of [0, 1]; ImageNet's unless the weights were trained with others.
        pretrained: path of a torchvision-style ResNet-50 state dict for the backbone, or None (from scratch).

    With the defaults: 39,633,986 parameters; with one output, as EchoNet-Dynamic has it, 39,633,729.
    """

    stride = 8

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        image_channels: int = 3,
        width: int = 64,
        head_width: int = 256,
        rates: Sequence[int] = (12, 24, 36),
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        pretrained: str | Path | None = None,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        self.normalize = FrameNormalization(in_channels, image_channels, mean, std)
        self.backbone = DilatedResNet(image_channels, width)
        self.pyramid = PyramidPooling(32 * width, head_width, rates)
        self.mix = ConvNorm(head_width, head_width, 3)
        self.head = nn.Conv2d(head_width, num_structures + 1, 1)
        if pretrained is not None:
            load_torchvision(self.backbone, pretrained)

    def segment(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [0, 1]."""
        return self.network(self.normalize(images).to(weight_dtype(self))).float()

    def network(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of normalised images [N, image_channels, H, W]."""
        logits = self.head(self.mix(self.pyramid(self.backbone.features(images))))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)

    def checkpointed_modules(self) -> list[nn.Module]:
        """The backbone's stages and the head's: what activation checkpointing computes again."""
        return [*self.backbone.stages(), *self.pyramid.branches, self.mix]


RULES: Rules = [
    # The auxiliary head exists for the loss of the published training only.
    (r"aux_classifier\.", None),
    (r"classifier\.0\.convs\.4\.1\.", "pyramid.branches.4.conv."),
    (r"classifier\.0\.convs\.4\.2\.", "pyramid.branches.4.norm."),
    (r"classifier\.0\.convs\.", "pyramid.branches."),
    (r"classifier\.0\.project\.", "pyramid.project."),
    (r"classifier\.1\.", "mix.0."),
    (r"classifier\.2\.", "mix.1."),
    (r"classifier\.4\.", "head."),
]


def import_published(
    path: str | Path, *, num_structures: int = 1, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> DeepLabV3:
    """The network with a checkpoint of torchvision's layout, in eval mode; EchoNet-Dynamic's files are of that kind.

    Args:
        path: state dict of a ``deeplabv3_resnet50``. One output (EchoNet-Dynamic: the logit of the left ventricle) becomes
            the two classes (0, logit), which have the same probabilities.
        num_structures: K; the file must have K + 1 outputs, or one for K = 1.
        mean, std: of the normalisation that the weights were trained with, in grey levels of [0, 1]. EchoNet-Dynamic
            uses those of its training videos.

    Raises:
        ValueError: an unreadable file, missing or unexpected names, wrong shapes.
    """
    model = DeepLabV3(num_structures=num_structures, mean=mean, std=std)
    load_renamed(model, _two_classes(read_state_dict(path), num_structures), RULES)
    mark_pretrained(model)
    return model.eval()


def _two_classes(state: Mapping[str, Tensor], num_structures: int) -> dict[str, Tensor]:
    """A head with one output as one with two: a sigmoid of x is a softmax of (0, x)."""
    both = dict(state)
    for name in ("classifier.4.weight", "classifier.4.bias"):
        tensor = state.get(name)
        if num_structures == 1 and tensor is not None and len(tensor) == 1:
            both[name] = torch.cat([torch.zeros_like(tensor), tensor])
    return both
