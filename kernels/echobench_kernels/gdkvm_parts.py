"""Inference forms of GDKVM's convolutional parts: norms folded, weights packed, sums and activations fused.

Every class computes what the class of the same name without ``Packed`` computes, from its weights.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from echobench_kernels import native
from echobench_kernels.folding import fold_batch_norm
from echobench_kernels.packed_blocks import PackedTrunk
from echobench_kernels.packed_layers import PackedConv, Unhooked
from echobench_kernels.packing import pack
from echobench_kernels.winograd import packed_conv
from gdkvm.blocks import ChannelAttentionBlock, FeatureFuser, expand_objects
from gdkvm.decoder import MaskDecoder, UpBlock
from gdkvm.encoder import ValueEncoder
from gdkvm.fusion import ReadoutFusion
from gdkvm.objects import ObjectSummariser
from gdkvm.sensory import MultiScaleUpdate, recurrent_update
from harness.modeling.resnet import ResNetTrunk


def conv_of(weight: Tensor, bias: Tensor | None, like: nn.Conv2d) -> nn.Conv2d:
    """A convolution with other weights [out, in, k, k] and the stride and padding of ``like``."""
    size, stride, padding = like.kernel_size[0], like.stride[0], int(like.padding[0])
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], size, stride, padding, bias=bias is not None, device="meta")
    conv.weight = nn.Parameter(weight.detach(), requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return conv.eval()


class RectifiedPool(Unhooked):
    """Max-pooling 3x3 with stride 2 and padding 1 of values >= 0, by maxima of rows and then of columns.

    Unlike the ordinary operator it keeps no positions of the maxima.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, 2h, 2w] → [N, C, h, w]; odd sizes go the ordinary way."""
        if x.shape[-1] % 2 or x.shape[-2] % 2:
            return F.max_pool2d(x, 3, 2, 1)
        # values are >= 0, so the border needs no padding: a maximum over fewer pixels is the one with zeros
        rows = torch.maximum(x[:, :, 0::2], x[:, :, 1::2])
        torch.maximum(rows[:, :, 1:], x[:, :, 1:-1:2], out=rows[:, :, 1:])
        out = torch.maximum(rows[..., 0::2], rows[..., 1::2])
        torch.maximum(out[..., 1:], rows[..., 1:-1:2], out=out[..., 1:])
        return out


def packed_trunk(trunk: ResNetTrunk, dtype: torch.dtype) -> PackedTrunk:
    """Packed trunk with a pooling that keeps no positions; ``trunk`` is folded in place."""
    packed = PackedTrunk(fold_batch_norm(trunk), dtype)
    packed.maxpool = RectifiedPool()  # type: ignore[assignment]
    return packed


class PackedAttentionBlock(Unhooked):
    """``ChannelAttentionBlock``."""

    taps: Tensor

    def __init__(self, block: ChannelAttentionBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv1 = packed_conv(block.conv1, "relu", dtype, rectify=True)
        self.conv2 = packed_conv(block.conv2, "none", dtype)
        self.register_buffer("taps", block.gate.weight.detach().float(), persistent=False)
        self.compiled = native.takes(self.taps, dtype) and block.conv2.out_channels % native.LANES == 0

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → [N, C, h, w]; the gate works in the memory of the branch where the kernel is at hand."""
        branch = self.conv2(self.conv1(x))
        if self.compiled:
            return native.gate_channels(x, branch, self.taps)
        pooled = branch.float().mean((-2, -1)).unsqueeze(1)
        gate = torch.sigmoid(F.conv1d(pooled, self.taps, padding=self.taps.shape[-1] // 2)).transpose(1, 2)
        return torch.addcmul(x, branch, gate.to(branch.dtype).unsqueeze(-1))


class PackedFuser(Unhooked):
    """``FeatureFuser``; the object's convolution adds the image's half while it writes."""

    def __init__(self, fuser: FeatureFuser, dtype: torch.dtype) -> None:
        super().__init__()
        self.transform_image = PackedConv(fuser.transform_image, "none", dtype)
        self.transform_object = PackedConv(fuser.transform_object, "none", dtype)
        self.block1 = PackedAttentionBlock(fuser.block1, dtype)
        self.block2 = PackedAttentionBlock(fuser.block2, dtype)

    def forward(self, transformed_image: Tensor, feature: Tensor, objects: int) -> Tensor:
        """Image [B, C, h, w] and feature of the objects [B · N, C', h, w] → [B · N, C, h, w]."""
        x = self.transform_object(feature, expand_objects(transformed_image, objects))
        return self.block2(self.block1(x))


class PackedSensoryUpdate(Unhooked):
    """The convolution and the gates of a sensory update."""

    def __init__(self, transform: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.transform = packed_conv(transform, "none", dtype)
        self.compiled = native.takes(transform.weight, dtype) and transform.out_channels % (3 * native.LANES) == 0

    def forward(self, feature: Tensor, hidden: Tensor) -> Tensor:
        """Feature [N, C, h, w] and hidden [N, Cs, h, w] → the new hidden, float32."""
        maps = self.transform(torch.cat([feature, hidden.to(feature.dtype)], 1))
        return native.update_hidden(maps, hidden) if self.compiled else recurrent_update(hidden, maps)


class PackedValueEncoder(Unhooked):
    """``ValueEncoder``; with one object the channel of the other objects, which is always zero, is left out."""

    def __init__(self, encoder: ValueEncoder, objects: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.alone, self.dtype = objects == 1, dtype
        if self.alone:
            stem = encoder.trunk.conv1
            encoder.trunk.conv1 = conv_of(stem.weight[:, :-1], None, stem)
        self.trunk = packed_trunk(encoder.trunk, dtype)
        self.fuser = PackedFuser(encoder.fuser, dtype)
        self.update = PackedSensoryUpdate(encoder.update.transform, dtype)

    def forward(self, image: Tensor, masks: Tensor, others: Tensor, transformed_pixel: Tensor) -> Tensor:
        """Image [B, C, H, W], masks [B, N, H, W] → values [B · N, C, H/16, W/16]."""
        objects = masks.shape[1]
        images = image.to(self.dtype).repeat_interleave(objects, 0) if objects > 1 else image.to(self.dtype)
        parts = [images, masks.flatten(0, 1).unsqueeze(1).to(self.dtype)]
        if not self.alone:
            parts.append(others.flatten(0, 1).unsqueeze(1).to(self.dtype))
        return self.fuser(transformed_pixel, self.trunk(torch.cat(parts, 1))[2], objects)


class PackedReadoutFusion(Unhooked):
    """``ReadoutFusion``; the masks' channels are added to the readout instead of joined to the sensory memory."""

    from_masks: Tensor

    def __init__(self, fusion: ReadoutFusion, objects: int, dtype: torch.dtype) -> None:
        super().__init__()
        weight, bias = fusion.compress.weight.detach(), fusion.compress.bias
        self.alone = objects == 1
        self.compress = PackedConv(conv_of(weight[:, :-2], bias, fusion.compress), "none", dtype)
        self.register_buffer("from_masks", weight[:, -2:].permute(1, 0, 2, 3).unsqueeze(1).clone(), persistent=False)
        self.fuser = PackedFuser(fusion.fuser, dtype)

    def forward(self, readout: Tensor | None, sensory: Tensor, masks: Tensor, others: Tensor, image: Tensor) -> Tensor:
        """Readout (None: zeros) and sensory memory [B · N, C, h, w], masks [B, N, h, w] → [B · N, C, h, w]."""
        mask = masks.flatten(0, 1).unsqueeze(1)
        added = mask * self.from_masks[0] if readout is None else torch.addcmul(readout, mask, self.from_masks[0])
        if not self.alone:
            added = torch.addcmul(added, others.flatten(0, 1).unsqueeze(1), self.from_masks[1])
        return self.fuser(image, self.compress(sensory, added), masks.shape[1])


class PackedUpBlock(Unhooked):
    """``UpBlock``; the shortcut's convolution adds the branch while it writes."""

    def __init__(self, block: UpBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv1 = packed_conv(block.conv1, "gelu", dtype)
        self.conv2 = packed_conv(block.conv2, "gelu", dtype)
        self.shortcut = None if block.shortcut is None else PackedConv(block.shortcut, "none", dtype)

    def forward(self, x: Tensor, skip: Tensor, objects: int) -> Tensor:
        """[B · N, C, h, w] and the images' skip [B, C, 2h, 2w] → [B · N, C', 2h, 2w]."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = x.add_(expand_objects(skip, objects))
        branch = self.conv2(self.conv1(x))
        return branch.add_(x) if self.shortcut is None else self.shortcut(x, branch)


class PackedMultiScaleUpdate(Unhooked):
    """``MultiScaleUpdate``; the logit's channel is folded away, because it is a linear function of its neighbours.

    The logit is head(p4), and averaging commutes with both: W (p4 ⊕ head(p4)) = (W₁ + W₂ ⊗ head) p4 + const.
    """

    def __init__(self, update: MultiScaleUpdate, head: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        last = update.from4.weight[:, -1:]
        biases = [cast(Tensor, conv.bias) for conv in (update.from16, update.from8, update.from4)]
        bias = sum(biases) + last.flatten() * cast(Tensor, head.bias)
        self.from16 = PackedConv(conv_of(update.from16.weight, bias, update.from16), "none", dtype)
        self.from8 = PackedConv(conv_of(update.from8.weight, None, update.from8), "none", dtype)
        from4 = update.from4.weight[:, :-1] + last * head.weight
        self.from4 = PackedConv(conv_of(from4, None, update.from4), "none", dtype)
        self.update = PackedSensoryUpdate(update.transform, dtype)

    def forward(self, p16: Tensor, p8: Tensor, p4: Tensor, hidden: Tensor) -> Tensor:
        """Features at strides 16, 8 and 4 and the hidden map → the new hidden map, float32."""
        summary = self.from8(F.avg_pool2d(p8, 2), self.from16(p16))
        return self.update(self.from4(F.avg_pool2d(p4, 4), summary), hidden)


class PackedDecoder(Unhooked):
    """``MaskDecoder``; the mask head is float32."""

    head: Tensor
    head_bias: Tensor

    def __init__(self, decoder: MaskDecoder, dtype: torch.dtype) -> None:
        super().__init__()
        self.project8 = PackedConv(decoder.project8, "none", dtype)
        self.project4 = PackedConv(decoder.project4, "none", dtype)
        self.up8, self.up4 = PackedUpBlock(decoder.up8, dtype), PackedUpBlock(decoder.up4, dtype)
        self.register_buffer("head", decoder.head.weight.detach().flatten().float(), persistent=False)
        self.register_buffer("head_bias", cast(Tensor, decoder.head.bias).detach().float(), persistent=False)
        self.update = PackedMultiScaleUpdate(decoder.update, decoder.head, dtype)

    def forward(self, x: Tensor, skip8: Tensor, skip4: Tensor, hidden: Tensor, objects: int) -> tuple[Tensor, Tensor]:
        """[B · N, C, h, w] → logits [B · N, 1, 4h, 4w] and the new hidden map, both float32."""
        p8 = self.up8(x, skip8, objects)
        p4 = self.up4(p8, skip4, objects)
        logits = (p4.permute(0, 2, 3, 1).float() @ self.head + self.head_bias).unsqueeze(1)
        return logits, self.update(x, p8, p4, hidden)


def packed_summariser(summariser: ObjectSummariser, dtype: torch.dtype) -> ObjectSummariser:
    """The summariser with packed layers, in place; its sums are float32 in every precision."""
    pack(summariser, dtype)
    return summariser
