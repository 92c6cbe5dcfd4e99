"""Grey frames for encoders that were designed for colour pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn, tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class FrameNormalization(nn.Module):
    """Normalise frames in [0, 1] with the ImageNet statistics, which published backbones expect.

    Args:
        in_channels: channels of the frames, 1 (grey) or 3.
        image_channels: channels that the encoders take: 3 repeats a grey frame (the published networks),
            1 keeps it single and normalises with the mean of the three statistics.
        mean, std: of the three colours, for weights that were trained with others than ImageNet's.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, in_channels: int, image_channels: int, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
    ) -> None:
        super().__init__()
        if (in_channels, image_channels) not in {(1, 1), (1, 3), (3, 3)}:
            raise ValueError(
                f"in_channels and image_channels must be 1 and 1, 1 and 3 or 3 and 3, got {in_channels} and {image_channels}"
            )
        centre, spread = tensor(tuple(mean)), tensor(tuple(std))
        if image_channels == 1:
            centre, spread = centre.mean(0, keepdim=True), spread.mean(0, keepdim=True)
        self.register_buffer("mean", centre.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", spread.view(1, -1, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """[N, in_channels, H, W] in [0, 1] → [N, image_channels, H, W], a grey frame repeated by broadcasting."""
        return (frames - self.mean) / self.std
