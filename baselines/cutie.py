"""Cutie (Cheng et al., CVPR 2024, arXiv 2310.12982): XMem's memory of pixels read by object queries."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.object_memory import ObjectMemorySegmenter, Query
from baselines.xmem_memory import Bank, keep_latest, new_bank, read
from gdkvm.blocks import expand_objects
from gdkvm.decoder import MaskDecoder
from harness.modeling.memory_read import rows
from harness.registry import MODELS


class KeyHeads(nn.Module):
    """1x1 reduction, then key, shrinkage (conv² + 1) and selection (sigmoid) by 3x3 convolutions, side by side."""

    def __init__(self, channels: int, hidden: int, key_width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.key = nn.Conv2d(hidden, key_width, 3, padding=1)
        self.shrinkage = nn.Conv2d(hidden, 1, 3, padding=1)
        self.selection = nn.Conv2d(hidden, key_width, 3, padding=1)
        # As published: keys of a fresh network should not be alike.
        nn.init.orthogonal_(self.key.weight)
        nn.init.zeros_(cast(Tensor, self.key.bias))

    def forward(self, f16: Tensor) -> Tensor:
        """[N, channels, h, w] → float32 [N, 2 · key_width + 1, h, w]: key, selection in (0, 1), shrinkage >= 1."""
        x = self.reduce(f16)
        parts = self.key(x).float(), self.selection(x).float().sigmoid(), self.shrinkage(x).float().square() + 1
        return torch.cat(parts, 1)


class UpBlock(nn.Module):
    """Bilinear x2, add the skip, then a pre-activation residual block [ReLU, 3x3, ReLU, 3x3] with a 1x1 shortcut."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, out_width, 3, padding=1)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1)
        self.shortcut = nn.Conv2d(in_width, out_width, 1) if in_width != out_width else None

    def forward(self, x: Tensor, skip: Tensor, objects: int) -> Tensor:
        """x [B * K, C, h, w] and skip [B, C, 2h, 2w] → [B * K, out_width, 2h, 2w]."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) + expand_objects(skip, objects)
        branch = self.conv2(F.relu(self.conv1(F.relu(x))))
        return branch + (x if self.shortcut is None else self.shortcut(x))


class CutieHead(nn.Sequential):
    """ReLU and a 3x3 convolution to one logit; the ReLU ends the pre-activation block before it."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.ReLU(), nn.Conv2d(width, 1, 3, padding=1))


class CutieDecoder(MaskDecoder):
    """GDKVM's decoder with Cutie's residual blocks and head."""

    def __init__(self, skip_channels: tuple[int, int], widths: tuple[int, int, int], sensory_width: int) -> None:
        super().__init__(skip_channels, widths, sensory_width)
        self.up8 = UpBlock(widths[0], widths[1])  # type: ignore[assignment]
        self.up4 = UpBlock(widths[1], widths[2])  # type: ignore[assignment]
        self.head = CutieHead(widths[2])  # type: ignore[assignment]


@MODELS.register_module()
class Cutie(ObjectMemorySegmenter):
    """Pixel memory of XMem's kind, object memory of summaries, object transformer.

    Memory frames are 0, ``memory_every``, ...; the first one stays, of the others the latest ``max_frames`` − 1 (as the
    authors evaluate short videos; their long-term memory is for videos of minutes). A query reads its ``top`` most similar
    elements in eval mode, all in training. Training follows the schedule of inference; the published one draws three
    memory frames at random and updates the sensory memory deeply at random.

    Args:
        key_width: channels of keys and selections, 64.
        decoder_widths: at strides 8 and 4: 128, 128.
        memory_every, top, max_frames: 5, 30, 5.
        others: see ``ObjectMemorySegmenter``.

    With the defaults: 35,024,186 parameters.
    """

    def __init__(
        self,
        *,
        key_width: int = 64,
        decoder_widths: tuple[int, int] = (128, 128),
        memory_every: int = 5,
        top: int = 30,
        max_frames: int = 5,
        **others: Any,
    ) -> None:
        super().__init__(memory_every=memory_every, **others)
        if top < 1 or max_frames < 2:
            raise ValueError(f"top must be >= 1 and max_frames >= 2, got {top} and {max_frames}")
        self.key_width, self.top, self.max_frames = key_width, top, max_frames
        f4, f8, f16 = self.image_encoder.channels
        self.key_heads = KeyHeads(f16, self.width, key_width)
        self.decoder = CutieDecoder((f4, f8), (self.width, *decoder_widths), self.width)

    def make_keys(self, f16: Tensor) -> Tensor:
        """Key, selection and shrinkage side by side [N, 2 · key_width + 1, h, w]."""
        return self.key_heads(f16)

    def write(self, pixels: Bank | None, features: Query, values: Tensor) -> Bank:
        """The bank with this frame; the oldest one but the first makes room."""
        key, selection, shrinkage = self._split(features)
        return keep_latest(pixels, new_bank(key, shrinkage.squeeze(-1), selection, values), self.max_frames)

    def read(self, pixels: Bank, features: Query) -> tuple[Tensor, Bank]:
        """Softmax over the most similar elements, weighted sum of their values."""
        key, selection, _ = self._split(features)
        return read(pixels, key, selection, None if self.training else self.top)

    def _split(self, features: Query) -> tuple[Tensor, Tensor, Tensor]:
        key, selection, shrinkage = rows(features.keys).split([self.key_width, self.key_width, 1], -1)
        return key, selection, shrinkage
