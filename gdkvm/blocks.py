"""Convolutional blocks that several parts of GDKVM share."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def expand_objects(features: Tensor, objects: int) -> Tensor:
    """Repeat per-image features [B, C, h, w] for every object: [B * objects, C, h, w] (a view for one object)."""
    # repeat_interleave copies even for a count of one, which is the usual case.
    if objects == 1:
        return features
    return features.repeat_interleave(objects, 0)


class ChannelAttentionBlock(nn.Module):
    """Residual block whose branch is gated per channel (ECA-Net, Wang 2020): x + gate * branch(x).

    The branch is relu, 3x3, relu, 3x3; the gate is the sigmoid of a 1-D convolution that runs over the
    channels of the branch's average, with the kernel size of the ECA paper (5 at 256 channels).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        # ECA-Net's rule with γ = 2 and b = 1: |log2(C)/2 + 1/2|, made odd so that the kernel has a centre.
        size = int((math.log2(width) + 1) // 2) | 1
        self.gate = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, width, h, w] → the same shape."""
        # ReLU before the convolution, as in pre-activation residual networks: the identity path stays untouched.
        branch = self.conv2(F.relu(self.conv1(F.relu(x))))
        pooled = branch.mean((-2, -1)).unsqueeze(1)
        gate = torch.sigmoid(self.gate(pooled)).squeeze(1)
        return x + branch * gate[..., None, None]


class FeatureFuser(nn.Module):
    """Fuse a pixel feature of the image with a feature of each object (the feature fusion of Cutie, Cheng 2024).

    ``transform_image`` and ``transform_object`` are 1x1 convolutions whose outputs are added and refined by two
    channel-attention blocks. The image's half is a method of its own, because it can be computed for all frames
    at once.
    """

    def __init__(self, image_width: int, object_width: int, width: int) -> None:
        super().__init__()
        self.transform_image = nn.Conv2d(image_width, width, 1)
        self.transform_object = nn.Conv2d(object_width, width, 1)
        self.block1 = ChannelAttentionBlock(width)
        self.block2 = ChannelAttentionBlock(width)

    def forward(self, transformed_image: Tensor, feature: Tensor, objects: int) -> Tensor:
        """Transformed image [B, C, h, w] and object feature [B * objects, C', h, w] → [B * objects, C, h, w]."""
        # The same as one 1x1 convolution of both features side by side, but the image's half is computed once.
        x = self.transform_object(feature) + expand_objects(transformed_image, objects)
        return self.block2(self.block1(x))


@functools.lru_cache(maxsize=64)
def sine_position_code(
    height: int, width: int, channels: int, device: torch.device, scale: float = 32.0, temperature: float = 128.0
) -> Tensor:
    """Two-dimensional sine code [height * width, channels]: x in the first half of the channels, y in the second.

    Positions are normalised to [0, scale]; sine and cosine of each frequency lie side by side.
    """
    # The code is cached: made inside inference mode it would be an inference tensor that no later training may use.
    with torch.inference_mode(False), torch.no_grad():
        half = channels // 2
        # DETR's code (Carion 2020), with temperature 128 and scale 32 as published.
        frequencies = temperature ** (-torch.arange(0, half, 2, device=device, dtype=torch.float32) / half)
        rows = _sine_code(height, frequencies, scale).unsqueeze(1).expand(-1, width, -1)
        columns = _sine_code(width, frequencies, scale).unsqueeze(0).expand(height, -1, -1)
        return torch.cat([columns, rows], -1).reshape(height * width, channels)


def _sine_code(length: int, frequencies: Tensor, scale: float) -> Tensor:
    # 1e-6 keeps a single row from dividing zero by zero.
    position = torch.arange(length, device=frequencies.device, dtype=torch.float32)
    angle = (position / (length - 1 + 1e-6) * scale)[:, None] * frequencies
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)
