"""What is computed from a frame alone (features, keys) and the value encoder that also sees the last masks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor, nn

from gdkvm.blocks import FeatureFuser
from gdkvm.sensory import DeepUpdate
from harness.modeling.resnet import BasicBlock, Bottleneck, ResNetTrunk


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameFeatures:
    """Everything about frames that does not depend on the recurrence; the leading dimension is any batch.

    Attributes:
        image: normalised images [N, C, H, W].
        pixel: pixel feature P [N, width, h, w].
        key: keys after softmax and scaling, float32 [N, Ck, h * w]; None without memory.
        skip8, skip4: projected skips of the decoder at strides 8 and 4.
        for_value, for_readout: P after the 1x1 convolutions of the two fusers [N, width, h, w].
    """

    image: Tensor
    pixel: Tensor
    key: Tensor | None
    skip8: Tensor
    skip4: Tensor
    for_value: Tensor
    for_readout: Tensor

    def frame(self, t: int, length: int) -> FrameFeatures:
        """Frame t of features whose leading dimension is ``B * length`` with time running fastest."""
        picked: dict[str, Any] = {}
        for field in fields(self):
            tensor = getattr(self, field.name)
            # A view: frames are taken out of the features of all frames without a copy.
            picked[field.name] = None if tensor is None else tensor.unflatten(0, (-1, length))[:, t]
        return FrameFeatures(**picked)


def in_layout_of(trunk: nn.Module, images: Tensor) -> Tensor:
    """Images in channels-last layout if the trunk's weights are; a 3x3 kernel tells (1x1 or one channel cannot)."""
    if isinstance(trunk, ResNetTrunk):
        # A wrong guess costs a copy per layer but no wrong result.
        kernel = cast(BasicBlock | Bottleneck, trunk.layer3[-1]).conv2.weight
        if kernel.is_contiguous(memory_format=torch.channels_last):
            return images.contiguous(memory_format=torch.channels_last)
    return images


class KeyProjector(nn.Module):
    """Stride-16 features → key before fusion: 1x1 to ``hidden``, then 3x3 to ``key_width``, nothing between."""

    def __init__(self, channels: int, hidden: int, key_width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.project = nn.Conv2d(hidden, key_width, 3, padding=1)

    def forward(self, f16: Tensor) -> Tensor:
        """[N, channels, h, w] → [N, key_width, h, w]."""
        # No activation between: as published, and a softmax follows anyway.
        return self.project(self.reduce(f16))


class ValueEncoder(nn.Module):
    """Image, mask of the object and of all others → value V, fused with the pixel feature.

    Args:
        image_channels: channels of the image.
        depth, trunk_width: of the ResNet trunk (18 and 64 in the paper).
        pixel_width, width: channels of the pixel feature and of the value.
    """

    def __init__(self, *, image_channels: int, depth: int, trunk_width: int, pixel_width: int, width: int) -> None:
        super().__init__()
        # + 2: the object's mask and the other objects' sum, as in STM and XMem.
        self.trunk = ResNetTrunk(depth, image_channels + 2, trunk_width)
        self.fuser = FeatureFuser(pixel_width, self.trunk.channels[2], width)
        self.update = DeepUpdate(width, width)

    def forward(self, image: Tensor, masks: Tensor, others: Tensor, transformed_pixel: Tensor) -> Tensor:
        """Encode one frame for every object.

        Args:
            image: [B, C, H, W], normalised.
            masks, others: [B, N, H, W] in [0, 1].
            transformed_pixel: [B, width, h, w], P after ``fuser.transform_image``.

        Returns:
            values [B * N, width, h, w].
        """
        objects = masks.shape[1]
        # The value of an object depends on its mask from the first layer on, so each object is a batch item of its own.
        images = image.unsqueeze(1).expand(-1, objects, -1, -1, -1)
        stacked = torch.cat([images, masks.unsqueeze(2).to(image.dtype), others.unsqueeze(2).to(image.dtype)], 2)
        stacked = stacked.flatten(0, 1)
        return self.fuser(transformed_pixel, self.trunk(in_layout_of(self.trunk, stacked))[2], objects)
