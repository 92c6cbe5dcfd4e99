"""A 3-D U-Net over whole clips: nnU-Net's plain shape with time as the third dimension.

Isensee et al., Nature Methods 2021 (the shape), used over the cardiac cycle as the strongest of the published per-clip
baselines. Time is convolved and never pooled, so that a clip may have any number of frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.modeling import AuxiliaryLogits, TrainingOutput, VideoSegmenter
from harness.modeling.precision import weight_dtype
from harness.registry import MODELS

WIDTHS = (32, 64, 128, 256, 320, 320)
"""nnU-Net's 3-D networks stop at 320 channels."""


class TimeConv(nn.Module):
    """A 3x3x3 convolution, computed as a 3x3 convolution of three neighbouring frames side by side.

    The same function and as many weights as ``nn.Conv3d`` with padding 1, but in a layout that channels-last memory and the
    engines know. ``conv.weight[:, k·C:(k+1)·C]`` is the kernel's slice for the frame before, the frame itself, the one after.
    """

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3 * inplanes, planes, 3, stride, 1)
        # nnU-Net's own start, with the slope of its leaky ReLU.
        nn.init.kaiming_normal_(self.conv.weight, a=0.01)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, length: int) -> Tensor:
        """[B · T, inplanes, H, W] with ``length`` = T → [B · T, planes, H/stride, W/stride]."""
        clips = x.unflatten(0, (-1, length))
        # Beyond both ends of the clip there is nothing: zeros, as a padded Conv3d has them.
        around = F.pad(clips, (0, 0, 0, 0, 0, 0, 1, 1))
        return self.conv(torch.cat([around[:, :-2], clips, around[:, 2:]], 2).flatten(0, 1))


class ClipNorm(nn.Module):
    """Instance norm over time and space: one mean and deviation per channel and clip."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(planes)), nn.Parameter(torch.zeros(planes))

    def forward(self, x: Tensor, length: int) -> Tensor:
        """[B · T, C, H, W] → the same shape."""
        clips = x.unflatten(0, (-1, length)).float()
        variance, mean = torch.var_mean(clips, (1, 3, 4), keepdim=True, correction=0)
        normal = ((clips - mean) * torch.rsqrt(variance + 1e-5)).flatten(0, 1).to(x.dtype)
        return torch.addcmul(self.bias[:, None, None].to(x.dtype), normal, self.weight[:, None, None].to(x.dtype))


class ClipConvPair(nn.Module):
    """Two 3x3x3 convolutions with instance norm and leaky ReLU 0.01; the first carries the stride in space."""

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.norm1 = TimeConv(inplanes, planes, stride), ClipNorm(planes)
        self.conv2, self.norm2 = TimeConv(planes, planes), ClipNorm(planes)

    def forward(self, x: Tensor, length: int) -> Tensor:
        """[B · T, inplanes, H, W] → [B · T, planes, H/stride, W/stride]."""
        x = F.leaky_relu(self.norm1(self.conv1(x, length), length), 0.01)
        return F.leaky_relu(self.norm2(self.conv2(x, length), length), 0.01)


class ClipUpStage(nn.Module):
    """2x2 transposed convolution in space, skip concatenation, two convolutions."""

    def __init__(self, inplanes: int, planes: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inplanes, planes, 2, 2)
        self.conv = ClipConvPair(2 * planes, planes)

    def forward(self, x: Tensor, skip: Tensor, length: int) -> Tensor:
        """x [B · T, inplanes, h, w] and skip [B · T, planes, 2h, 2w] → [B · T, planes, 2h, 2w]."""
        return self.conv(torch.cat([self.up(x), skip], 1), length)


@MODELS.register_module()
class UNet3D(VideoSegmenter):
    """A U-Net that sees the whole clip at once: every frame's logits depend on all frames, later ones too.

    It is not causal. A stream segments each frame from the frames so far, as the last one of a clip that ends there: its
    state and the cost of a step grow with time, and only its last frame equals the clip's. Results of whole clips are what
    tables hold; no live use is possible at their quality.

    In training the heads of the lower decoder levels come back as auxiliary logits: the head i levels below full resolution
    has weight 1/2^i.

    Args:
        widths: channels per stage; the resolution in space is halved between stages.
    """

    uses_first_mask = False
    causal = False

    def __init__(self, *, num_structures: int = 1, in_channels: int = 1, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        if len(widths) < 2:
            raise ValueError(f"widths must name at least two stages, got {tuple(widths)}")
        self.stride = 2 ** (len(widths) - 1)
        steps = enumerate(pairwise((in_channels, *widths)))
        self.stages = nn.ModuleList(ClipConvPair(a, b, stride=2 if i else 1) for i, (a, b) in steps)
        self.ups = nn.ModuleList(ClipUpStage(a, b) for a, b in pairwise(reversed(widths)))
        self.heads = nn.ModuleList(nn.Conv2d(width, num_structures + 1, 1) for width in reversed(widths[:-1]))

    def checkpointed_modules(self) -> list[nn.Module]:
        """Every level: what activation checkpointing computes again in the backward pass."""
        return [*self.stages, *self.ups]

    def features(self, frames: Tensor) -> list[Tensor]:
        """Features [B · T, C, h, w] of every decoder level of a clip [B, T, C, H, W], lowest resolution first."""
        length = frames.shape[1]
        x = ((frames.flatten(0, 1) - 0.5) / 0.5).to(weight_dtype(self))
        skips = []
        for stage in self.stages:
            x = stage(x, length)
            skips.append(x)
        x, levels = skips.pop(), []
        for up in self.ups:
            x = up(x, skips.pop(), length)
            levels.append(x)
        return levels

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> tuple[Tensor, ...]:
        return ()

    def _step(self, frame: Tensor, memory: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        seen = (*memory, frame)
        return self._clip(torch.stack(seen, 1), None)[:, -1], seen

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        return self.heads[-1](self.features(frames)[-1]).float().unflatten(0, frames.shape[:2])

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        pairs = zip(self.heads, self.features(frames), strict=True)
        full, *lower = [head(features).unflatten(0, frames.shape[:2]) for head, features in pairs][::-1]
        auxiliary = tuple(
            AuxiliaryLogits(name=f"level_{i}", logits=logits, weight=0.5**i) for i, logits in enumerate(lower, 1)
        )
        return TrainingOutput(logits=full, auxiliary=auxiliary)
