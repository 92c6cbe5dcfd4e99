"""TransUNet (Chen et al. 2021, arXiv 2102.04306): ResNet v2 + ViT encoder, convolutional decoder with skips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.per_frame import FrameNetworkSegmenter, GreyLevels
from baselines.transunet_hybrid import HybridResNet, ProjectionNorm
from baselines.transunet_vit import VisionTransformer
from baselines.transunet_weights import load_vit_npz
from harness.registry import MODELS


class ConvNormReLU(nn.Sequential):
    """Bias-free 3x3 convolution, batch norm, ReLU."""

    def __init__(self, inplanes: int, planes: int) -> None:
        super().__init__(
            nn.Conv2d(inplanes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(inplace=True)
        )


class DecoderBlock(nn.Module):
    """Bilinear x2 (corners aligned), skip concatenation where there is a skip, two convolutions."""

    def __init__(self, inplanes: int, skip: int, planes: int) -> None:
        super().__init__()
        self.conv1 = ConvNormReLU(inplanes + skip, planes)
        self.conv2 = ConvNormReLU(planes, planes)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """x [N, inplanes, h, w], skip [N, skip, 2h, 2w] or None → [N, planes, 2h, 2w]."""
        # Aligned corners, as published (nn.UpsamplingBilinear2d).
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], 1)))


class CascadedDecoder(nn.Module):
    """Four decoder blocks from stride 16 to full resolution; the last has no skip.

    Args:
        dim: channels of the transformer's output.
        head: channels after the first convolution.
        widths: channels of the four blocks.
        skips: channels of the skips at strides 8, 4 and 2.
    """

    def __init__(self, dim: int, head: int, widths: Sequence[int], skips: Sequence[int]) -> None:
        super().__init__()
        # The authors' name for the convolution between transformer and decoder.
        self.conv_more = ConvNormReLU(dim, head)
        sizes = zip((head, *widths[:-1]), (*skips, 0), widths, strict=True)
        self.blocks = nn.ModuleList(DecoderBlock(a, skip, b) for a, skip, b in sizes)

    def forward(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """x [N, dim, h, w] at stride 16 and skips at strides 8, 4 and 2 → [N, widths[-1], 16h, 16w]."""
        x = self.conv_more(x)
        for block, skip in zip(self.blocks, (*skips, None), strict=True):
            x = block(x, skip)
        return x


@MODELS.register_module()
class TransUNet(FrameNetworkSegmenter):
    """TransUNet on every frame alone; the defaults are the published R50-ViT-B/16.

    Grey frames are repeated to three channels, as published; colour frames are taken as they are.

    Args:
        image_size: frame side in px that the position embeddings are stored for (others are interpolated).
        width, units, groups, projection_norm: of the convolutional encoder, see ``HybridResNet``.
        dim, layers, heads, mlp, dropout: of the transformer.
        head_width, decoder_widths: of the decoder.
        grey_levels: what the network sees, ``signed`` [-1, 1] or ``unit`` [0, 1] (``FrameNetworkSegmenter``).
        pretrained: path of the published ImageNet-21k weights (``R50+ViT-B_16.npz``) for the encoder, or
            None for training from scratch (the default; results then belong to a model trained from scratch).
    """

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        image_size: int = 256,
        width: int = 64,
        units: Sequence[int] = (3, 4, 9),
        groups: int = 32,
        projection_norm: ProjectionNorm = "channel",
        dim: int = 768,
        layers: int = 12,
        heads: int = 12,
        mlp: int = 3072,
        dropout: float = 0.1,
        head_width: int = 512,
        decoder_widths: Sequence[int] = (256, 128, 64, 16),
        grey_levels: GreyLevels = "signed",
        pretrained: str | Path | None = None,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        self.grey_levels = grey_levels
        # The published weights see colour; a grey frame is repeated, and other numbers have no meaning there.
        if in_channels not in (1, 3):
            raise ValueError(f"in_channels must be 1 or 3, got {in_channels}")
        self.resnet = HybridResNet(width=width, units=units, groups=groups, projection_norm=projection_norm)
        self.transformer = VisionTransformer(
            channels=self.resnet.channels[0],
            grid=image_size // 16,
            dim=dim,
            layers=layers,
            heads=heads,
            mlp=mlp,
            dropout=dropout,
        )
        self.decoder = CascadedDecoder(dim, head_width, decoder_widths, self.resnet.channels[1:])
        self.head = nn.Conv2d(decoder_widths[-1], num_structures + 1, 3, padding=1)
        if pretrained is not None:
            load_vit_npz(self.resnet, self.transformer, pretrained)

    def checkpointed_modules(self) -> list[nn.Module]:
        """Units, transformer layers and decoder blocks: what activation checkpointing computes again."""
        stages = (self.resnet.block1, self.resnet.block2, self.resnet.block3)
        units = [unit for stage in stages for unit in stage]
        return [*units, *self.transformer.layers, self.decoder.conv_more, *self.decoder.blocks]

    def network(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [-1, 1]."""
        wanted = self.resnet.conv_root.in_channels
        # expand, not repeat: three channels that share memory.
        f16, *skips = self.resnet(images if images.shape[1] == wanted else images.expand(-1, wanted, -1, -1))
        return self.head(self.decoder(self.transformer(f16), skips))
