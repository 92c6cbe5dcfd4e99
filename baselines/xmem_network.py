"""The networks of XMem: key heads, fusers, value encoder, sensory memory, decoder (Cheng 2022, section 3)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.modeling.memory_segmenter import to_weights
from harness.modeling.pretrained import mark_pretrained
from harness.modeling.residual import PreActivationResidual, per_object, upsampled_sum
from harness.modeling.resnet import ResNetTrunk, load_torchvision
from harness.modeling.structure_start import StructureStart


class KeyHeads(nn.Module):
    """Key, shrinkage (conv² + 1) and selection (sigmoid) of a stride-16 feature, each by a 3x3 convolution."""

    def __init__(self, in_channels: int, key_channels: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(in_channels, key_channels, 3, 1, 1)
        self.shrinkage = nn.Conv2d(in_channels, 1, 3, 1, 1)
        self.selection = nn.Conv2d(in_channels, key_channels, 3, 1, 1)
        # As published: keys of a fresh network should not be alike, or every element is read equally.
        nn.init.orthogonal_(self.key.weight)
        nn.init.zeros_(cast(Tensor, self.key.bias))

    def forward(self, f16: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[N, C16, h, w] → float32 key [N, Ck, h, w], shrinkage [N, 1, h, w] >= 1, selection [N, Ck, h, w]."""
        key, shrinkage, selection = self.key(f16), self.shrinkage(f16), self.selection(f16)
        # Shrinkage in [1, ∞) makes an element picky, selection in [0, 1] says which channels matter to a query.
        return key.float(), shrinkage.float().square() + 1, selection.float().sigmoid()


class BlockAttention(nn.Module):
    """CBAM (Woo 2018): a gate per channel from average and maximum, then a gate per position."""

    def __init__(self, channels: int, reduction: int = 16, kernel: int = 7) -> None:
        super().__init__()
        # 16 is CBAM's reduction; narrow test models would have no hidden channel.
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        self.position = nn.Conv2d(2, 1, kernel, 1, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → same shape."""
        pooled = torch.stack([x.mean((2, 3)), x.amax((2, 3))])
        # CBAM adds the answers for average and maximum before the sigmoid; both go through the same layers.
        gate = self.excite(F.relu(self.squeeze(pooled))).sum(0).sigmoid()
        x = x * gate[:, :, None, None]
        summary = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * self.position(summary).sigmoid()


class Fuser(nn.Module):
    """Fuse an image feature with object features: residual block, plus its attention, residual block."""

    def __init__(self, image_channels: int, object_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = PreActivationResidual(image_channels + object_channels, out_channels)
        self.attention = BlockAttention(out_channels)
        self.second = PreActivationResidual(out_channels, out_channels)

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """image [B, Ci, h, w] and objects [B·K, Co, h, w] → [B·K, out_channels, h, w]."""
        # The image feature is the same for all objects of a frame.
        image = per_object(image, objects.shape[0] // image.shape[0])
        x = self.first(torch.cat([image, objects.to(image.dtype)], 1))
        return self.second(x + self.attention(x))


class GatedUpdate(nn.Module):
    """The GRU of the sensory memory: h ← σ(f)·h·(1 − σ(u)) + σ(u)·tanh(n), with f, u, n from one 3x3 convolution.

    The gates and the state are float32 whatever the autocast.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels + channels, 3 * channels, 3, 1, 1)
        nn.init.xavier_normal_(self.conv.weight)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x [N, in_channels, h, w], state [N, channels, h, w] → new state, float32."""
        # Float32: rounding would stay in this state to the end of the clip.
        forget, update, new = self.conv(torch.cat([x, h.to(x.dtype)], 1)).float().chunk(3, 1)
        update = update.sigmoid()
        return forget.sigmoid() * h * (1 - update) + update * new.tanh()


class ValueEncoder(nn.Module):
    """ResNet to stride 16 on frame, mask and others' mask, fused with the image feature; the deep sensory update."""

    def __init__(
        self, depth: int, image_channels: int, width: int, f16_channels: int, value_channels: int, sensory_channels: int
    ) -> None:
        super().__init__()
        self.depth, self.image_channels, self.width = depth, image_channels, width
        self.trunk = ResNetTrunk(depth, image_channels + 2, width)
        self.fuser = Fuser(f16_channels, self.trunk.channels[2], value_channels)
        self.sensory = GatedUpdate(value_channels, sensory_channels)
        self.start: StructureStart | None = None

    def forward(self, image: Tensor, f16: Tensor, mask: Tensor, others: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Value and deeply updated sensory memory of K objects per frame.

        Args:
            image: [B·K, C, H, W], normalised.
            f16: [B, C16, h, w], of the key encoder.
            mask, others: [B·K, 1, H, W].
            h: [B·K, Cs, h, w], sensory memory.

        Returns:
            value [B·K, Cv, h, w] and sensory memory [B·K, Cs, h, w].
        """
        x = to_weights(torch.cat([image, mask, others], 1), self.trunk)
        value = self.fuser(f16, self.trunk(x)[2])
        value = value if self.start is None else self.start.add_to_values(value)
        return value, self.sensory(value, h)

    def load_torchvision(self, path: str | Path) -> None:
        """Load a torchvision-style ResNet into the trunk; the first convolution's mask channels stay as they are."""
        image_trunk = ResNetTrunk(self.depth, self.image_channels, self.width)
        load_torchvision(image_trunk, path)
        state = image_trunk.state_dict()
        masks = self.trunk.conv1.weight.detach()[:, self.image_channels :]
        # ImageNet knows no masks: their input channels keep their random start.
        state["conv1.weight"] = torch.cat([state["conv1.weight"], masks], 1)
        self.trunk.load_state_dict(state)
        mark_pretrained(self.trunk)


class DecoderFeatures(NamedTuple):
    """Object features of one decoding, from which the sensory memory is updated."""

    g16: Tensor
    g8: Tensor
    g4: Tensor
    """With the logit as last channel."""


class SensoryUpdate(nn.Module):
    """The sensory memory's update on ordinary frames, from the decoder's features at three strides."""

    def __init__(self, channels: tuple[int, int, int], width: int, sensory_channels: int) -> None:
        super().__init__()
        self.from16 = nn.Conv2d(channels[0], width, 1)
        self.from8 = nn.Conv2d(channels[1], width, 1)
        self.from4 = nn.Conv2d(channels[2], width, 1)
        self.gru = GatedUpdate(width, sensory_channels)

    def forward(self, features: DecoderFeatures, h: Tensor) -> Tensor:
        """Features at strides 16, 8, 4 and the state [N, Cs, h, w] → new state."""
        x = self.from16(features.g16) + self.from8(F.avg_pool2d(features.g8, 2))
        # Area averages bring the finer features to stride 16, where the sensory memory lives.
        return self.gru(x + self.from4(F.avg_pool2d(features.g4, 4)), h)


class Decoder(nn.Module):
    """Fuse f16, readout and sensory memory, go up to stride 4 with the image's skips, predict one logit per object.

    Args:
        channels: of f4, f8 and f16.
        object_channels: value plus sensory channels.
        widths: of the object features at strides 16, 8 and 4 (512, 256, 256 in the paper).
        update_width, sensory_channels: of the sensory update.
    """

    def __init__(
        self,
        channels: tuple[int, int, int],
        object_channels: int,
        widths: tuple[int, int, int],
        update_width: int,
        sensory_channels: int,
    ) -> None:
        super().__init__()
        f4, f8, f16 = channels
        w16, w8, w4 = widths
        self.fuser = Fuser(f16, object_channels, w16)
        self.skip8 = nn.Conv2d(f8, w16, 3, 1, 1)
        self.up8 = PreActivationResidual(w16, w8)
        self.skip4 = nn.Conv2d(f4, w8, 3, 1, 1)
        self.up4 = PreActivationResidual(w8, w4)
        self.head = nn.Conv2d(w4, 1, 3, 1, 1)
        self.sensory = SensoryUpdate((w16, w8, w4 + 1), update_width, sensory_channels)

    def forward(
        self, f16: Tensor, skip8: Tensor, skip4: Tensor, readout: Tensor, h: Tensor
    ) -> tuple[Tensor, DecoderFeatures]:
        """Image features [B, ...], readout [B·K, Cv, h, w], sensory [B·K, Cs, h, w] → logits [B·K, 1, 16h, 16w]."""
        # What was read and what was kept from the last frame, 512 + 64 channels in the paper.
        g16 = self.fuser(f16, torch.cat([readout, h], 1))
        g8 = self.up8(upsampled_sum(skip8, g16))
        g4 = self.up4(upsampled_sum(skip4, g8))
        # The published decoder ends pre-activation blocks with this ReLU.
        logit = self.head(F.relu(g4))
        full = F.interpolate(logit.float(), scale_factor=4, mode="bilinear", align_corners=False)
        return full, DecoderFeatures(g16, g8, torch.cat([g4, logit.to(g4.dtype)], 1))
