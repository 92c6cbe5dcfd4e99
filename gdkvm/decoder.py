"""From the fused stride-16 feature of each object to its logit at stride 4."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.blocks import expand_objects
from gdkvm.sensory import MultiScaleUpdate


class UpBlock(nn.Module):
    """Bilinear x2, add the skip, then a residual block [3x3, GELU, 3x3, GELU] with a 1x1 shortcut."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, out_width, 3, padding=1)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1)
        self.shortcut = nn.Conv2d(in_width, out_width, 1) if in_width != out_width else None

    def forward(self, x: Tensor, skip: Tensor, objects: int) -> Tensor:
        """x [B * N, C, h, w] and skip [B, C, 2h, 2w] → [B * N, out_width, 2h, 2w]."""
        # Upsampled before the skip is added, so that the skip keeps its full resolution.
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = x + expand_objects(skip, objects)
        # GELU after both convolutions, as published; most other blocks of the network have ReLU.
        branch = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return branch + (x if self.shortcut is None else self.shortcut(x))


class MaskDecoder(nn.Module):
    """Two up-blocks and a 1x1 head; the features of all scales then update the sensory memory.

    Args:
        skip_channels: channels of the trunk at strides 4 and 8.
        widths: channels at strides 16, 8 and 4 (256, 128, 128 in the paper).
        sensory_width: channels of the sensory memory.
    """

    def __init__(self, skip_channels: tuple[int, int], widths: tuple[int, int, int], sensory_width: int) -> None:
        super().__init__()
        self.project8 = nn.Conv2d(skip_channels[1], widths[0], 1)
        self.project4 = nn.Conv2d(skip_channels[0], widths[1], 1)
        self.up8 = UpBlock(widths[0], widths[1])
        self.up4 = UpBlock(widths[1], widths[2])
        self.head = nn.Conv2d(widths[2], 1, 1)
        # + 1: the logit goes into the sensory memory beside the finest feature (129 channels in the paper).
        self.update = MultiScaleUpdate((widths[0], widths[1], widths[2] + 1), sensory_width)

    def forward(self, x: Tensor, skip8: Tensor, skip4: Tensor, hidden: Tensor, objects: int) -> tuple[Tensor, Tensor]:
        """Decode one frame.

        Args:
            x: [B * N, C16, h, w].
            skip8, skip4: projected skips [B, C, 2h, 2w] and [B, C, 4h, 4w].
            hidden: sensory memory [B * N, Cs, h, w].
            objects: N.

        Returns:
            logits [B * N, 1, 4h, 4w], float32, and the new sensory memory.
        """
        p8 = self.up8(x, skip8, objects)
        p4 = self.up4(p8, skip4, objects)
        # A logit in bf16 has steps of 1/128 around 1 and 1/16 around 10: too coarse for an arg-max at the outline.
        with torch.autocast(x.device.type, enabled=False):
            logits = self.head(p4.float())
        return logits, self.update(x, p8, torch.cat([p4, logits.to(p4.dtype)], 1), hidden)
