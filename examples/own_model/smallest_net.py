"""A model of one's own: three convolutions that look at every frame alone."""

from __future__ import annotations

from torch import Tensor, nn

from harness.modeling import PerFrameSegmenter
from harness.registry import MODELS


@MODELS.register_module()
class SmallestNet(PerFrameSegmenter):
    """Two strided convolutions and a head, resized to the frame.

    Args:
        num_structures: K; the run fills it in.
        in_channels: channels of a frame.
        width: channels inside.
    """

    stride = 4

    def __init__(self, *, num_structures: int = 1, in_channels: int = 1, width: int = 16) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1), nn.ReLU()
        )
        self.head = nn.Conv2d(width, num_structures + 1, 1)

    def segment(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [0, 1]."""
        logits = self.head(self.encoder(images - 0.5))
        return nn.functional.interpolate(logits, images.shape[-2:], mode="bilinear")
