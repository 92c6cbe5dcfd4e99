"""The networks of STM: memory encoder, key-value heads, decoder (Oh 2019, figure 2 and section 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.modeling.residual import PreActivationResidual, SkipProjection, upsampled_sum
from harness.modeling.resnet import ResNetTrunk


class MemoryEncoder(nn.Module):
    """ResNet to stride 16 on a frame, an object's mask and the other objects' mask.

    The two masks have bias-free 7x7/2 stems of their own, added to the image's stem before ``bn1``; the three
    are computed as one convolution on the concatenated input.
    """

    def __init__(self, depth: int, image_channels: int, width: int) -> None:
        super().__init__()
        self.trunk = ResNetTrunk(depth, image_channels, width)
        self.conv_mask = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.conv_others = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        for stem in (self.conv_mask, self.conv_others):
            # Like the trunk's own stem: the three are summed before one batch norm.
            nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
        self.channels = self.trunk.channels

    def forward(self, image: Tensor, mask: Tensor, others: Tensor) -> Tensor:
        """image [N, C, H, W] normalised, mask and others [N, 1, H, W] → f16 [N, C16, H/16, W/16]."""
        # Three stems summed are one convolution of the concatenation; the parameters keep their published names.
        x = torch.cat([image, mask, others], 1)
        trunk = self.trunk
        weight = torch.cat([trunk.conv1.weight, self.conv_mask.weight, self.conv_others.weight], 1)
        x = trunk.maxpool(F.relu(trunk.bn1(F.conv2d(x, weight, stride=2, padding=3))))
        return trunk.layer3(trunk.layer2(trunk.layer1(x)))


class KeyValueHead(nn.Module):
    """Key and value of a stride-16 feature, each by one 3x3 convolution."""

    def __init__(self, in_channels: int, key_channels: int, value_channels: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(in_channels, key_channels, 3, 1, 1)
        self.value = nn.Conv2d(in_channels, value_channels, 3, 1, 1)

    def forward(self, f16: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C16, h, w] → key [N, Ck, h, w] and value [N, Cv, h, w]."""
        # Memory and query have heads of their own weights.
        return self.key(f16), self.value(f16)


class Decoder(nn.Module):
    """From the memory readout and the query value to the logit of each object.

    A 3x3 convolution and a residual block at stride 16, two refinement stages (skip of the image, bilinear x2,
    residual block), and a 3x3 head with the outputs (background, object); their difference is the logit.
    """

    def __init__(self, in_channels: int, f8_channels: int, f4_channels: int, width: int) -> None:
        super().__init__()
        self.conv16 = nn.Conv2d(in_channels, width, 3, 1, 1)
        self.residual16 = PreActivationResidual(width, width)
        self.skip8 = SkipProjection(f8_channels, width)
        self.residual8 = PreActivationResidual(width, width)
        self.skip4 = SkipProjection(f4_channels, width)
        self.residual4 = PreActivationResidual(width, width)
        self.head = nn.Conv2d(width, 2, 3, 1, 1)

    def forward(self, x16: Tensor, skip8: Tensor, skip4: Tensor) -> Tensor:
        """x16 [B·K, 2·Cv, h, w], skips of the images [B, width, ...] → logits [B·K, 1, 16h, 16w]."""
        x = self.residual16(self.conv16(x16))
        # Refinement module of Oh 2018 (RGMP): skip plus enlarged coarse feature, then a residual block.
        x = self.residual8(upsampled_sum(skip8, x))
        x = self.residual4(upsampled_sum(skip4, x))
        # A softmax over (background, object) is the sigmoid of their difference: one logit per object remains.
        two = self.head(F.relu(x)).float()
        return F.interpolate(two[:, 1:] - two[:, :1], scale_factor=4, mode="bilinear", align_corners=False)
